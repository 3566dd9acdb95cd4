"""What a metric promises of its scores, what it can be told, and the function that it is."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.aggregation import Aggregation
from domain.metrics.params import Param
from domain.objectives import Direction
from domain.values import Json

Score = Callable[[Mapping[str, Json], Mapping[str, Json], Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is promised of a score: name, range, better direction, unit, and how examples become one number."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    direction: Direction = "maximize"
    unit: str = ""
    aggregation: Aggregation = "mean"
    description: str = ""

    @property
    def worst(self) -> float | None:
        """The end of the range on the worse side; None when there is none."""
        end = self.low if self.direction == "maximize" else self.high
        return end if math.isfinite(end) else None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of our own: what it promises, what it can be told, and its function of (expected, predicted, params).

    A metric without a function asks a model.
    """

    measure: Measure
    score: Score | None = None
    params: tuple[Param, ...] = ()


def mean(scores: Iterable[float]) -> float:
    """Return the mean; of nothing it raises."""
    known = list(scores)
    if not known:
        raise ValueError("the mean of no scores")
    return math.fsum(known) / len(known)
