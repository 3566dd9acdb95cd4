"""Faults in words: what an exception says, without the paths of the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.program.code.wording import LONGEST, a, pathless, told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /srv/app/models/digits.bin", "cannot read …/digits.bin"),
        ("'/home/someone/x.py', line 3", "'…/x.py', line 3"),
        ("no such folder: /srv", "no such folder: …/srv"),
        ("file:///srv/app/x", "…/x"),
        ("[/a/b/c]", "[…/c]"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("3/4 of a / b, and/or c", "3/4 of a / b, and/or c"),
        ("shape (2, 3)/(4,)", "shape (2, 3)/(4,)"),
    ],
)
def test_paths_keep_their_last_part_only(text: str, shown: str) -> None:
    """Addresses and fractions are no paths."""
    assert pathless(text) == shown


def test_an_exception_is_told_by_type_and_message() -> None:
    """Without a message by its type; one that cannot say what it is, too."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told(ValueError("no digit")) == "ValueError: no digit"
    assert told(ValueError()) == "ValueError"
    assert told(MuteError("x")) == "MuteError"
    assert told(ValueError("\x00\ud800")) == "ValueError: \ufffd?"


@given(st.text(alphabet=st.characters(), max_size=2000))
def test_what_is_told_can_be_stored_and_is_short(text: str) -> None:
    """Whatever the message: no U+0000, no half of a surrogate pair, an end."""
    said = told(ValueError(text))
    assert "\x00" not in said
    assert said.encode()
    assert len(said) <= LONGEST + len("ValueError: ")


def test_values_are_named_by_their_kind() -> None:
    """With the right article."""
    assert [a(value) for value in (1, "x", None, int, print)] == [
        "an int",
        "a str",
        "None",
        "a class",
        "a builtin_function_or_method",
    ]
