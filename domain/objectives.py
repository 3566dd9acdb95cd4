"""What a run makes better: directions, thresholds, dominance under them, and the best trial."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

Direction = Literal["maximize", "minimize"]


class Scored(Protocol):
    """Anything with a number and with what it reached; None means that it failed."""

    @property
    def number(self) -> int:
        """Its number in the run."""

    @property
    def objectives(self) -> Mapping[str, float] | None:
        """What it reached, by objective."""


S = TypeVar("S", bound=Scored)


@dataclass(frozen=True, slots=True)
class Objective:
    """A score's name and the direction that is better.

    A trial worse than the `threshold` is infeasible. `reference` is this objective's coordinate of the point that a
    hypervolume is measured from, and `best` the end of its range beyond which nothing can be reached. One that
    `only_bounds` says what is feasible and nothing else: all that keep its threshold have gained the same, which is so
    of itself where the threshold is the `best`.
    """

    name: str
    direction: Direction = "maximize"
    threshold: float | None = None
    reference: float | None = None
    best: float | None = None
    only_bounds: bool = False

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise ValueError(f"an objective's direction is maximize or minimize, not {self.direction!r}")
        for field in ("threshold", "reference"):
            if (value := getattr(self, field)) is not None and not math.isfinite(value):
                raise ValueError(f"an objective's {field} is a finite number, not {value!r}")
        if self.only_bounds and self.threshold is None:
            raise ValueError("an objective that only bounds has a threshold")
        if self.threshold is not None and self.threshold == self.best:
            object.__setattr__(self, "only_bounds", True)

    @property
    def rising(self) -> bool:
        """Whether more is better."""
        return self.direction == "maximize"

    def better(self, a: float, b: float) -> bool:
        """Tells whether `a` is strictly better than `b`."""
        return a > b if self.rising else a < b

    @property
    def most(self) -> float:
        """The most that can be gained; infinite where there is no such."""
        return self._signed(self.threshold) if self.only_bounds and self.threshold is not None else math.inf

    def gain(self, value: float) -> float:
        """Return the value such that more is better; of one that only bounds, no more than its threshold."""
        return min(self._signed(value), self.most)

    def excess(self, value: float) -> float:
        """Return how far the value lies beyond the threshold, in multiples of it; not above 0 where it is kept.

        Multiples, so that thresholds of different units add up; beyond a threshold of 0 the distance counts as it is.
        """
        if self.threshold is None:
            return 0.0
        return (self._signed(self.threshold) - self._signed(value)) / (abs(self.threshold) or 1.0)

    def _signed(self, value: float) -> float:
        return value if self.rising else -value


def violation(reached: Mapping[str, float], objectives: Sequence[Objective]) -> float:
    """Return by how much all thresholds together are missed; 0 exactly where all are kept."""
    return sum(max(each.excess(reached[each.name]), 0.0) for each in objectives if each.threshold is not None)


def is_feasible(reached: Mapping[str, float], objectives: Sequence[Objective]) -> bool:
    """Tells whether every threshold is kept; equal to it is kept."""
    return not any(
        each.threshold is not None and each.better(each.threshold, reached[each.name]) for each in objectives
    )


def dominates(a: Mapping[str, float], b: Mapping[str, float], objectives: Sequence[Objective]) -> bool:
    """Tells whether `a` is nowhere worse than `b` and somewhere better.

    Feasible dominates infeasible whatever else they reached; of two infeasible ones the smaller violation dominates.
    """
    beyond_a, beyond_b = violation(a, objectives), violation(b, objectives)
    if beyond_a or beyond_b:
        return beyond_a < beyond_b
    pairs = [(each.gain(a[each.name]), each.gain(b[each.name])) for each in objectives]
    return not any(x < y for x, y in pairs) and any(x > y for x, y in pairs)


def goals(objectives: Sequence[Objective]) -> Sequence[Objective]:
    """Return the objectives that there is something to gain in: those that only bound are kept or not."""
    return [each for each in objectives if not each.only_bounds] or objectives


def is_scored(trial: Scored, objectives: Sequence[Objective]) -> bool:
    """Tells whether a trial has a finite number for every objective."""
    reached = trial.objectives
    if reached is None:
        return False
    # A loop, not all(): this runs for every trial of a run at every suggestion.
    for each in objectives:  # noqa: SIM110
        if not math.isfinite(reached.get(each.name, math.nan)):
            return False
    return True


def standing(reached: Mapping[str, float], objectives: Sequence[Objective]) -> tuple[float, float]:
    """Return what ranks single trials, the smallest first: the violation, then the first objective."""
    primary = objectives[0]
    return violation(reached, objectives), -primary.gain(reached[primary.name])


def best(trials: Sequence[S], objectives: Sequence[Objective]) -> S | None:
    """Return the scored trial of the best standing, the older of equals; None if there is none.

    So a feasible trial comes before every infeasible one.
    """
    scored = (trial for trial in trials if is_scored(trial, objectives))
    return min(scored, key=lambda each: (*standing(each.objectives or {}, objectives), each.number), default=None)
