"""Two evaluations of a run over the same examples, example by example: how much better one is, and how sure that is."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure, HoldoutResult
from ashgrove.program.v1.execution_pb2 import EvaluationResult

from domain.aggregation import AGGREGATIONS, Aggregation
from domain.holdout import Gain, gain_over
from domain.objectives import Objective, standing
from domain.space import Space
from domain.values import Json
from services.optimizer.objectives import aggregations_of, objectives_of

VERDICTS = {
    "proven gain": HoldoutFigure.VERDICT_PROVEN_GAIN,
    "no proven gain": HoldoutFigure.VERDICT_NO_PROVEN_GAIN,
    "proven loss": HoldoutFigure.VERDICT_PROVEN_LOSS,
}
Row = Mapping[str, Any]
Scored = Mapping[str, Mapping[str, float]]
"""What each answered example scored."""


def best_of(done: Sequence[Row], objectives: Sequence[Objective]) -> Row:
    """Returns the best of complete trials, the older of equals."""
    return min(done, key=lambda each: (standing(each["objectives"], objectives), each["number"]))


def baseline_of(space: Space, done: Sequence[Row]) -> tuple[HoldoutResult.Baseline.ValueType, dict[str, Json]]:
    """Returns what a run's best is compared with, and where it comes from."""
    defaults = space.defaults()
    if defaults is not None:
        return HoldoutResult.BASELINE_DEFAULTS, defaults
    first = min(done, key=lambda each: int(each["number"]))
    return HoldoutResult.BASELINE_FIRST_TRIAL, dict(first["configuration"])


def scored(results: Sequence[EvaluationResult]) -> Scored:
    """Returns what each answered example scored, with what is known of every evaluation."""
    return {
        each.example_id: {"cost": float(each.cost_micros), "latency_ms": each.latency_ms, **each.scores}
        for each in results
        if not each.error
    }


def together(sides: Sequence[Scored]) -> Scored:
    """Returns what each example scored on the average of several evaluations that answered it."""
    values: dict[str, dict[str, list[float]]] = {}
    for side in sides:
        for example, row in side.items():
            for metric, value in row.items():
                values.setdefault(example, {}).setdefault(metric, []).append(value)
    return {example: {metric: fmean(each) for metric, each in row.items()} for example, row in values.items()}


def gains(run: Row, before: Scored, after: Scored) -> Iterator[tuple[Objective, Gain | None, int]]:
    """Yields by objective how much better the second is, None without a pair, and how many pairs there are."""
    hows = aggregations_of(run)
    for objective in objectives_of(run):
        old, new = (_values(side, objective.name) for side in (before, after))
        both = sorted(old.keys() & new.keys())
        pairs = [old[one] for one in both], [new[one] for one in both]
        gain = gain_over(*pairs, objective.direction, _aggregation(hows[objective.name]), run["seed"])
        yield objective, gain, len(both)


def _values(side: Scored, metric: str) -> dict[str, float]:
    return {example: row[metric] for example, row in side.items() if metric in row}


def _aggregation(stored: str) -> Aggregation:
    """Returns how values become one; a run whose row does not say takes the mean."""
    named = stored.removeprefix("AGGREGATION_").lower()
    return next((each for each in AGGREGATIONS if each == named), "mean")
