"""The part of a long history that is worth learning from."""

from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import TypeAlias

import numpy as np

from domain.objectives import Objective, is_scored, standing
from domain.pareto import pareto_front
from domain.strategies.strategy import Observation

MOST = 1000
"""How many trials a model learns from at most."""

BEST = 250
"""How many of them are the best ones: ten times what the estimator takes for good."""

Lots: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]
_number = attrgetter("number")


def bounded(
    finished: Sequence[Observation], objectives: Sequence[Objective], seed: int, most: int = MOST, best: int = BEST
) -> list[Observation]:
    """Return the scored trials by number: where there are more than `most`, the best and a stratified sample.

    Best means the Pareto front first, then the least violation, then the first objective, the older of equals. The
    others, in the order of their standing, are cut into equal strata, and `seed` chooses one of each: the sample is
    distributed as they are, while the latest ones would be what the model asked for itself.
    """
    scored = sorted((each for each in finished if is_scored(each, objectives)), key=_number)
    if len(scored) <= most:
        return scored
    ranked = _ranked(scored, objectives)
    return sorted(ranked[:best] + _stratified(ranked[best:], most - best, seed), key=_number)


def _ranked(scored: Sequence[Observation], objectives: Sequence[Objective]) -> list[Observation]:
    front = {each.number for each in pareto_front(scored, objectives)} if len(objectives) > 1 else set()
    # Stable sorts: the older of equals stays first, and the front, moved ahead, stays ordered within.
    ranked = sorted(scored, key=lambda each: standing(each.objectives or {}, objectives))
    if front:
        ranked.sort(key=lambda each: each.number not in front)
    return ranked


def _stratified(ranked: Sequence[Observation], count: int, seed: int) -> list[Observation]:
    """Return the trial of the smallest lot in each of `count` strata; lots are the trials' own for the whole run."""
    lots = _mixed(np.array([each.number for each in ranked], dtype=np.uint64), seed)
    cuts = [len(ranked) * index // count for index in range(count + 1)]
    chosen = (low + int(lots[low:high].argmin()) for low, high in pairwise(cuts))
    return [ranked[index] for index in chosen]


def _mixed(
    numbers: "np.ndarray[tuple[int], np.dtype[np.uint64]]", seed: int
) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """Return SplitMix64 of each number (Steele, Lea and Flood, 2014), the seed added to the state."""
    state = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
