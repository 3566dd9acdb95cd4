"""What comes back from custom code is strict JSON, or a finite score in its range, or a fault."""

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from ashgrove.custom import Metric, Part
from hypothesis import given
from hypothesis import strategies as st

from services.program.code import channel
from services.program.code.calling import ran, scored
from services.program.code.contract import CodeFault

numpy = pytest.importorskip("numpy")

_wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.integers()),
    max_leaves=8,
)


@given(_wild)
def test_outputs_travel_as_strict_json_or_are_a_fault(value: Any) -> None:
    """There is no third way: nothing that is let through breaks the channel, and nothing raises anything else."""
    try:
        reply = ran({"answer": value}, 1.0)
    except CodeFault as fault:
        assert fault.error_class == "BAD_OUTPUT"
        assert fault.message.startswith("outputs.answer")
    else:
        assert json.loads(channel.packed(reply)[channel.HEAD.size :]) == reply


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 2**53, b"x", {1}, {1: 2}, "\x00", "\ud800", object()])
def test_what_is_not_json_is_a_fault(value: Any) -> None:
    """Bytes, sets, numbers that JSON does not keep, text that cannot be stored; at any depth."""
    for outputs in ({"a": value}, {"a": [{"b": value}]}, {"a": 1, "b": (value,)}):
        with pytest.raises(CodeFault) as caught:
            ran(outputs, 0.0)
        assert caught.value.error_class == "BAD_OUTPUT"


def test_the_numbers_of_numpy_are_named() -> None:
    """A NumPy integer is no JSON; its author is told which output it is."""
    with pytest.raises(CodeFault, match=r"outputs\.label is not a JSON value but a int64"):
        ran({"label": numpy.int64(3)}, 0.0)


@given(st.floats() | st.integers() | st.fractions() | st.booleans() | st.text() | st.none())
def test_a_score_is_finite_and_in_range_or_a_fault(value: Any) -> None:
    """Whatever a metric returns."""
    metric = Metric(lambda *_: value, low=0, high=1)
    number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
    if number and 0 <= value <= 1:
        assert scored("m", metric, value) == {"scores": {"m": float(value)}, "feedback": "", "feedback_by_slot": {}}
    else:
        with pytest.raises(CodeFault) as caught:
            scored("m", metric, value)
        assert caught.value.error_class == "METRIC"


@pytest.mark.parametrize("number", [numpy.float32(0.5), numpy.float64(0.5), numpy.int64(0), Fraction(1, 2)])
def test_numbers_of_other_libraries_are_scores(number: Any) -> None:
    """A score becomes a plain double anyway."""
    assert scored("m", Metric(lambda *_: number, low=0, high=1), number)["scores"]["m"] in (0.0, 0.5)


def test_enormous_integers_and_truth_values_are_no_scores() -> None:
    """The first is infinite as a double, the second is no number; NumPy's truth values neither."""
    metric = Metric(lambda *_: 0)
    for value in (10**400, True, numpy.True_):
        with pytest.raises(CodeFault, match="the score m must be a"):
            scored("m", metric, value)


def test_every_part_has_its_own_range() -> None:
    """And its full name."""
    metric = Metric(lambda *_: 0, parts={"tone": Part(0, 1), "words": Part(0, math.inf)})
    assert scored("judge", metric, {"scores": {"tone": 1, "words": 70}})["scores"] == {
        "judge.tone": 1.0,
        "judge.words": 70.0,
    }
