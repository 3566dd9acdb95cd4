"""The registry: names and where they point to, sorted into what can be used and what cannot."""

from importlib.metadata import EntryPoint

import pytest
from ashgrove.custom import METRICS, PROGRAMS
from hypothesis import given
from hypothesis import strategies as st

from services.program.code.registry import sorted_out


def _entry(group: str, name: str, value: str = "module:name") -> EntryPoint:
    return EntryPoint(name=name, value=value, group=group)


@pytest.mark.parametrize(
    ("group", "good", "bad"),
    [
        (
            PROGRAMS,
            ["a@1", "digits-classifier@1.2", "a_b@2026-11"],
            ["a", "A@1", "a@", "@1", "a b@1", "a@1@2", "../a"],
        ),
        (METRICS, ["overlap", "word_overlap", "f-1"], ["Overlap", "a.b", "a@1", "1a", ""]),
        (METRICS, [], ["exact_match", "token_f1", "cost", "latency_ms"]),
    ],
)
def test_names_have_one_form(group: str, good: list[str], bad: list[str]) -> None:
    """Others are faults, and so are the names of what is built in."""
    found = sorted_out(group, [_entry(group, name) for name in good + bad])
    assert set(found.entries) == set(good)
    assert set(found.faults) == set(bad)


@given(st.lists(st.sampled_from(["a@1", "b@1", "c@1", "Bad"]), max_size=8))
def test_a_name_is_usable_if_and_only_if_it_is_there_once(names: list[str]) -> None:
    """However often and in whatever order it comes; no name is lost."""
    found = sorted_out(PROGRAMS, [_entry(PROGRAMS, name) for name in names])
    assert set(found.entries) == {n for n in names if names.count(n) == 1 and n != "Bad"}
    assert found.entries.keys() | found.faults.keys() == set(names)
    assert not found.entries.keys() & found.faults.keys()


def test_the_fingerprint_changes_with_the_target() -> None:
    """So that warm processes with the former code are not used any more."""
    first, second = (sorted_out(PROGRAMS, [_entry(PROGRAMS, "a@1", f"module:{name}")]) for name in "ab")
    assert first.fingerprint != second.fingerprint
    assert sorted_out(PROGRAMS, [_entry(PROGRAMS, "a@1", "no target!")]).faults["a@1"] == "must point to `module:name`"
