"""What authors declare is checked where they declare it."""

import math
from typing import Any

import pytest
from ashgrove.custom import Metric, Part, Prediction, Program


def _score(*_: Any) -> float:
    return 0.0


def test_defaults_promise_nothing() -> None:
    """A metric without a range may give any finite score; a prediction without a trace has an empty one."""
    metric = Metric(_score)
    assert (metric.low, metric.high) == (-math.inf, math.inf)
    assert (metric.direction, metric.aggregation, metric.parts) == ("maximize", "mean", {})
    assert Prediction({"a": 1}).trace == {}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"low": 1, "high": 0}, "low must be less than high, not 1 and 0"),
        ({"low": 1, "high": 1}, "low must be less than high"),
        ({"low": math.nan}, "low must be less than high"),
        ({"direction": "up"}, "direction must be one of maximize, minimize, not 'up'"),
        ({"aggregation": "max"}, "aggregation must be one of mean, sum, p50, p95, not 'max'"),
    ],
)
def test_a_promise_that_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    """By metrics and by their parts alike, in words that name the argument."""
    with pytest.raises(ValueError, match=message):
        Metric(_score, **wrong)
    with pytest.raises(ValueError, match=message):
        Part(**wrong)


def test_parts_and_functions_are_checked() -> None:
    """A part has a name that can stand behind the metric's; what is to be called must be callable."""
    with pytest.raises(ValueError, match=r"the part 'A\.b' must be named in lower case"):
        Metric(_score, parts={"A.b": Part()})
    with pytest.raises(TypeError, match="the part 'tone' must be a Part, not a float"):
        Metric(_score, parts={"tone": 0.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="score must be a function, not a int"):
        Metric(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="prepare must be a function, not a str"):
        Program("learn")  # type: ignore[arg-type]
