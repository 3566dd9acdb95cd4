"""Metrics: kept promises and broken ones."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ashgrove.custom import Metric, Part

Values = Mapping[str, Any]


def _overlap(example: Values, prediction: Values, trace: Values | None, params: Values) -> float:
    """Tells which share of the expected outputs was predicted."""
    expected = example["outputs"]
    return sum(prediction["outputs"].get(name) == value for name, value in expected.items()) / max(len(expected), 1)


def _steps(example: Values, prediction: Values, trace: Values | None, params: Values) -> int:
    return len((trace or {}).get("steps", []))


async def _later(example: Values, prediction: Values, trace: Values | None, params: Values) -> float:
    await asyncio.sleep(0)
    return float(params.get("value", 0.5))


def _judged(example: Values, prediction: Values, trace: Values | None, params: Values) -> Any:
    return params.get(
        "answer",
        {"scores": {"tone": 0.5, "length": 12}, "feedback": "too long", "feedback_by_slot": {"main": "be brief"}},
    )


def _fail(example: Values, prediction: Values, trace: Values | None, params: Values) -> float:
    raise KeyError("answer")


overlap = Metric(_overlap, low=0, high=1)
steps = Metric(_steps, low=0, direction="minimize", unit="steps", aggregation="p95", description="How many steps.")
later = Metric(_later, low=0, high=1)
judge = Metric(
    _judged,
    parts={"tone": Part(low=0, high=1), "length": Part(low=0, direction="minimize", unit="words", aggregation="sum")},
    description="Two scores and a word about them.",
)
told = Metric(lambda example, prediction, trace, params: params["answer"], low=0, high=1)
nan = Metric(lambda example, prediction, trace, params: float("nan"), low=0, high=1)
infinite = Metric(lambda example, prediction, trace, params: float("inf"))
outside = Metric(lambda example, prediction, trace, params: 1.5, low=0, high=1)
text = Metric(lambda example, prediction, trace, params: "0.5")
fail = Metric(_fail)
not_a_metric = _overlap
