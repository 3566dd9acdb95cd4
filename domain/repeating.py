"""Noisy trials: which look best, and what their fresh evaluations come to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from domain.objectives import Objective, standing

COUNT, CANDIDATES = 3, 5
"""How often each of how many is evaluated afresh where nobody says otherwise."""
FIRST_FRESH = 10_000
"""The number of the first fresh repetition: those below are of trials that try a configuration again."""
Reached = Mapping[str, float]


@dataclass(frozen=True)
class Tried:
    """A complete trial: its number, what its configuration is known by, and what it reached."""

    number: int
    content_hash: str
    objectives: Reached


@dataclass(frozen=True)
class Candidate:
    """A configuration by its first trial, and what its trials reached on the average."""

    number: int
    objectives: Reached


def best_looking(trials: Iterable[Tried], objectives: Sequence[Objective], most: int) -> list[Candidate]:
    """Return the configurations of the best standing, each once, the older of equals first."""
    same: dict[str, list[Tried]] = {}
    for each in sorted(trials, key=lambda trial: trial.number):
        same.setdefault(each.content_hash, []).append(each)
    found = [Candidate(alike[0].number, means([each.objectives for each in alike])) for alike in same.values()]
    return ranked(found, objectives)[:most]


def ranked(candidates: Iterable[Candidate], objectives: Sequence[Objective]) -> list[Candidate]:
    """Return them the best first, the older of equals first."""
    return sorted(candidates, key=lambda each: (standing(each.objectives, objectives), each.number))


def means(reached: Sequence[Reached]) -> dict[str, float]:
    """Return the mean of each objective; nothing of nothing."""
    return {name: fmean(each[name] for each in reached) for name in reached[0]} if reached else {}


def deviations(reached: Sequence[Reached]) -> dict[str, float]:
    """Return the standard deviation of each objective; nothing of fewer than two."""
    return {name: stdev(each[name] for each in reached) for name in reached[0]} if len(reached) > 1 else {}
