"""The part of a long history that is worth learning from."""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.objectives import Objective, is_scored, standing
from domain.pareto import pareto_front
from domain.strategies.following import Followed
from domain.strategies.strategy import Observation, Question

MOST = 1000
"""How many trials a model learns from at most."""

BEST = 250
"""How many of them are the best ones: ten times what the estimator takes for good."""

_FEW = 64
Numbers = NDArray[np.uint64]
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


class Ranking:
    """The scored trials of a run with one objective by their standing, kept in order as they come."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.objectives = objectives
        self.followed = Followed()
        self._places: list[tuple[Any, int]] = []
        self._trials: list[Observation] = []
        self._numbers = np.empty(0, dtype=np.uint64)

    def bounded(self, finished: Sequence[Observation], seed: int) -> list[Observation]:
        """Return what `bounded` returns."""
        fresh, anew = self.followed.fresh(finished)
        if anew:
            self._places, self._trials, self._numbers = [], [], np.empty(0, dtype=np.uint64)
        self._add([each for each in fresh if is_scored(each, self.objectives)])
        chosen = np.arange(len(self._trials))
        if len(chosen) > MOST:
            chosen = np.append(chosen[:BEST], BEST + _strata(self._numbers[BEST:], MOST - BEST, seed))
        return [self._trials[place] for place in chosen[np.argsort(self._numbers[chosen])].tolist()]

    def _add(self, trials: Sequence[Observation]) -> None:
        if len(trials) > _FEW:
            trials = sorted([*self._trials, *trials], key=self._place)
            self._places, self._trials = [self._place(each) for each in trials], trials
            self._numbers = np.array([each.number for each in trials], dtype=np.uint64)
            return
        for each in trials:
            index = bisect_left(self._places, place := self._place(each))
            self._places.insert(index, place)
            self._trials.insert(index, each)
            self._numbers = np.insert(self._numbers, index, each.number)

    def _place(self, trial: Observation) -> tuple[Any, int]:
        return standing(trial.objectives or {}, self.objectives), trial.number


def remembered(question: Question) -> list[Observation]:
    """Return what `bounded` returns for a question, from what is remembered of the one before."""
    if len(question.objectives) > 1:
        return bounded(question.finished, question.objectives, question.run_seed)
    ranking: Ranking = question.memory.setdefault("ranking", Ranking(question.objectives))
    return ranking.bounded(question.finished, question.run_seed)


def _ranked(scored: Sequence[Observation], objectives: Sequence[Objective]) -> list[Observation]:
    front = {each.number for each in pareto_front(scored, objectives)} if len(objectives) > 1 else set()
    # Stable sorts: the older of equals stays first, and the front, moved ahead, stays ordered within.
    ranked = sorted(scored, key=lambda each: standing(each.objectives or {}, objectives))
    if front:
        ranked.sort(key=lambda each: each.number not in front)
    return ranked


def _stratified(ranked: Sequence[Observation], count: int, seed: int) -> list[Observation]:
    numbers = np.array([each.number for each in ranked], dtype=np.uint64)
    return [ranked[place] for place in _strata(numbers, count, seed).tolist()]


def _strata(numbers: Numbers, count: int, seed: int) -> NDArray[np.intp]:
    """Return the place of the smallest lot in each of `count` strata; lots are the trials' own for the whole run."""
    lots = _mixed(numbers, seed)
    cuts = len(lots) * np.arange(count + 1) // count
    least = np.repeat(np.minimum.reduceat(lots, cuts[:-1]), np.diff(cuts))
    return np.flatnonzero(lots == least)  # no two numbers have the same lot


def _mixed(numbers: Numbers, seed: int) -> Numbers:
    """Return SplitMix64 of each number (Steele, Lea and Flood, 2014), the seed added to the state."""
    state = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
