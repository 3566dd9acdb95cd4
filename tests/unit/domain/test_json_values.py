"""JSON values: what is refused, and that equal values have equal hashes."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.values import DEEPEST, Invalid, Violation, canonical_json, content_hash, is_same, normalise, shown
from tests.unit.domain.arbitrary import JSON, TEXT


@given(JSON)
def test_normalising_keeps_the_value_and_changes_nothing_the_second_time(value: Any) -> None:
    """Equal as JSON before and after, and a fixed point."""
    once = normalise(value)
    assert canonical_json(once) == canonical_json(value)
    assert repr(normalise(once)) == repr(once)


@given(JSON)
def test_canonical_json_is_json_for_the_same_value(value: Any) -> None:
    """What is hashed can be read back."""
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@given(JSON, JSON)
def test_values_are_the_same_where_their_json_is(one: Any, other: Any) -> None:
    """Also those that are compared without being written down: 1 is 1.0, and not true."""
    assert is_same(one, other) == (canonical_json(one) == canonical_json(other))
    assert is_same(one, json.loads(canonical_json(one)))
    assert [is_same(1, each) for each in (1.0, True, "1", None, [1])] == [True, False, False, False, False]
    assert is_same(True, True) and is_same(0.0, -0.0) and not is_same(0, False)


@given(st.dictionaries(TEXT, JSON, max_size=6), st.randoms(use_true_random=False))
def test_the_hash_does_not_depend_on_the_order_of_keys(values: dict[str, Any], source: random.Random) -> None:
    """Configurations are the same however they were written."""
    shuffled = list(values.items())
    source.shuffle(shuffled)
    assert content_hash(dict(shuffled)) == content_hash(values)


def test_values_that_json_tells_apart_have_different_hashes() -> None:
    """1, true, "1" and null are four values."""
    assert len({content_hash({"x": value}) for value in (1, True, "1", None)}) == 4


def test_a_whole_double_is_the_integer() -> None:
    """A Struct knows only doubles: 3.0 is 3, also in the hash."""
    assert repr(normalise({"k": 3.0, "z": -0.0})) == "{'k': 3, 'z': 0}"
    assert content_hash({"k": 3.0}) == content_hash({"k": 3})


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**53, "TOO_LARGE"),
        (-(2**53), "TOO_LARGE"),
        (float(2**53), "TOO_LARGE"),
        pytest.param(10**5000, "TOO_LARGE", id="huge"),
        (math.nan, "NOT_FINITE"),
        (math.inf, "NOT_FINITE"),
        ("a\x00b", "NUL_CHARACTER"),
        ("\ud800", "NOT_JSON"),
        (b"bytes", "NOT_JSON"),
        ({1: 2}, "NOT_JSON"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_path(value: Any, code: str) -> None:
    """The path leads to the place inside the value."""
    with pytest.raises(Invalid) as refusal:
        normalise({"rows": [0, {"text": value}]}, "inputs")
    assert [(each.path, each.code) for each in refusal.value.violations] == [("inputs.rows[1].text", code)]


def test_integers_up_to_2_53_and_large_measures_are_kept() -> None:
    """6.02e23 is written with an exponent, so nobody takes it for an exact integer."""
    assert normalise([2**53 - 1, 1 - 2**53, 6.02214076e23]) == [2**53 - 1, 1 - 2**53, 6.02214076e23]


def test_every_violation_is_reported_at_once() -> None:
    """Not only the first."""
    with pytest.raises(Invalid) as refusal:
        normalise({"a": math.nan, "b": ["\x00", 2**60], "\x00": 1})
    paths = {each.path for each in refusal.value.violations}
    assert paths == {"value", "value.a", "value.b[0]", "value.b[1]"}


def test_nesting_without_end_is_refused_and_not_a_crash() -> None:
    """A value deeper than the limit is a violation; the limit itself is fine."""
    value: Any = 1
    for _ in range(DEEPEST):
        value = [value]
    assert normalise(value) == value
    with pytest.raises(Invalid, match="deeper"):
        normalise([value])


def test_what_has_no_canonical_json_is_invalid() -> None:
    """Never an exception of the library's."""
    for value in (2**53, math.nan, object(), "\ud800", 10**5000):
        with pytest.raises(Invalid):
            canonical_json(value)


def test_invalid_says_everything_in_its_text() -> None:
    """A log line alone tells what was wrong."""
    assert str(Invalid([Violation("a", "is bad", "X"), Violation("b", "too", "Y")])) == "a: is bad; b: too"


def test_values_are_shown_as_the_caller_wrote_them() -> None:
    """As JSON, whole doubles as integers; what is no JSON as it is, and everything short."""
    told = {"1": 1, "3": 3.0, "true": True, "null": None, '"1"': "1", '{"a": [1.5]}': {"a": [1.5]}, "nan": math.nan}
    assert {text: shown(value) for text, value in told.items()} == {text: text for text in told}
    assert len(shown("x" * 1000)) == 60 and shown(10**5000).startswith("a int too large")
