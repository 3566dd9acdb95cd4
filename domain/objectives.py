"""What a run makes better: directions, dominance, the Pareto front and the best trial."""

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
    """A score's name and the direction that is better."""

    name: str
    direction: Direction = "maximize"

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise ValueError(f"an objective's direction is maximize or minimize, not {self.direction!r}")

    @property
    def rising(self) -> bool:
        """Whether more is better."""
        return self.direction == "maximize"

    def better(self, a: float, b: float) -> bool:
        """Tells whether `a` is strictly better than `b`."""
        return a > b if self.rising else a < b

    def gain(self, value: float) -> float:
        """Return the value such that more is better."""
        return value if self.rising else -value


def dominates(a: Mapping[str, float], b: Mapping[str, float], objectives: Sequence[Objective]) -> bool:
    """Tells whether `a` is nowhere worse than `b` and somewhere better."""
    pairs = [(objective, a[objective.name], b[objective.name]) for objective in objectives]
    return not any(each.better(y, x) for each, x, y in pairs) and any(each.better(x, y) for each, x, y in pairs)


def is_scored(trial: Scored, objectives: Sequence[Objective]) -> bool:
    """Tells whether a trial has a number for every objective; NaN is none."""
    reached = trial.objectives
    if reached is None:
        return False
    # A loop, not all(): this runs for every trial of a run at every suggestion.
    for each in objectives:  # noqa: SIM110
        if math.isnan(reached.get(each.name, math.nan)):
            return False
    return True


def gains(trial: Scored, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """Return what a scored trial reached, each such that more is better."""
    reached = trial.objectives or {}
    return tuple(each.gain(reached[each.name]) for each in objectives)


def pareto_front(trials: Sequence[S], objectives: Sequence[Objective]) -> list[S]:
    """Return every scored trial that none dominates, equals included, by number."""
    front: list[S] = []
    # Best first: whoever dominates a trial comes before it, so the front so far is all there is to ask.
    for trial in sorted(_scored(trials, objectives), key=lambda each: gains(each, objectives), reverse=True):
        if not any(dominates(member.objectives or {}, trial.objectives or {}, objectives) for member in front):
            front.append(trial)
    return sorted(front, key=lambda each: each.number)


def best(trials: Sequence[S], objectives: Sequence[Objective]) -> S | None:
    """Return the best scored trial by the first objective, the older of equals; None if there is none."""
    primary = objectives[:1]
    return min(_scored(trials, primary), key=lambda each: (-gains(each, primary)[0], each.number), default=None)


def _scored(trials: Sequence[S], objectives: Sequence[Objective]) -> list[S]:
    return [trial for trial in trials if is_scored(trial, objectives)]
