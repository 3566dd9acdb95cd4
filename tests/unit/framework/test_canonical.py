"""Canonical JSON: whichever way a value is written, it is what RFC 8785 says."""

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from framework.engine.canonical import canonical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text(st.characters(max_codepoint=0x9F))
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=12)


@given(VALUES)
@example({"€": 1, "\U0001f600": 2, "\ufb33": 3, "1": 4, "\r": 5, "\x80": 6})
@example([0.0, -0.0, 1e21, 1e-7, 3.0, 0.1, True, 1])
@example({"b": {"d": [], "c": {}}, "a": '\x00\x1f\x7f"\\/\u2028\b\f\n\r\t'})
def test_every_value_is_written_as_the_standard_says(value: object) -> None:
    """The quick way and the reference give the same bytes."""
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), {"a": [float("nan")]}, {"a": float("inf")}, {1: 2}, "\ud800", {"\ud800": 1}]
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """Integers that doubles confuse, no numbers, names that are none and lone surrogates."""
    with pytest.raises(ValueError):
        canonical(value)
