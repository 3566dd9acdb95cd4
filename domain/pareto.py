"""The Pareto front of a run: kept point by point, bounded by crowding, measured by its hypervolume; pure functions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from domain.covering import covered
from domain.hypervolume import TooMuch, volume
from domain.objectives import Objective, S, Scored, goals, is_feasible, is_scored
from domain.undominated import Matrix, undominated

_number = attrgetter("number")


@dataclass(frozen=True, slots=True)
class Point:
    """A completed trial: its number in the run and what it reached, by objective."""

    number: int
    objectives: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What offering a point did to a front.

    `front` is the new one, by number. `added` tells whether the point is on it. `removed` were dominated by the point
    or are later equals of it. `evicted` were the most crowded where there were too many; the point itself may be one
    of them, and then it is not added.
    """

    front: tuple[Point, ...]
    added: bool = False
    removed: tuple[Point, ...] = ()
    evicted: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Hypervolume:
    """What a front dominates; with a `margin` it is an estimate, and the truth within it in 95 of 100 cases."""

    value: float
    margin: float | None = None


def insert(front: Sequence[Point], point: Point, objectives: Sequence[Objective], limit: int) -> Change:
    """Offers a point to a front of at most `limit` points, none of which dominates another.

    It stays outside if it is infeasible, has no finite number for some objective, or is dominated. Of equal vectors
    the older trial stays. Up to the limit the front does not depend on the order in which points are offered.
    """
    if limit < 2 * len(objectives):
        raise ValueError(f"a front of {len(objectives)} objectives must hold {2 * len(objectives)} extremes")
    if not is_scored(point, objectives) or not is_feasible(point.objectives, objectives):
        return Change(tuple(front))
    gains, offered = gain_matrix(front, objectives), gain_matrix([point], objectives)[0]
    if _is_hidden(front, gains, point, offered):
        return Change(tuple(front))
    beaten = (gains <= offered).all(axis=1)
    kept = [member for member, lost in zip(front, beaten, strict=True) if not lost]
    removed = tuple(member for member, lost in zip(front, beaten, strict=True) if lost)
    kept.append(point)
    evicted = _thinned(kept, objectives, limit)
    return Change(tuple(sorted(kept, key=_number)), point not in evicted, removed, evicted)


def crowding(points: Sequence[Scored], objectives: Sequence[Objective]) -> list[float]:
    """Return how far each point's neighbours on the front are apart (NSGA-II); infinite for the extremes.

    An extreme is the best or the worst in some objective: one of each, however many share the value.
    """
    gains = gain_matrix(points, objectives)
    distances = np.zeros(len(points))
    for column in range(len(objectives)):
        # Equal values are ordered by the others, never by when they came.
        order = np.lexsort((*gains.T, gains[:, column]))
        values = gains[order, column]
        if len(points) > 2 and values[-1] > values[0]:
            distances[order[1:-1]] += (values[2:] - values[:-2]) / (values[-1] - values[0])
        distances[order[:1]] = distances[order[-1:]] = math.inf
    return [float(each) for each in distances]


def hypervolume(points: Sequence[Point], objectives: Sequence[Objective]) -> Hypervolume | None:
    """Return the measure of what the points dominate above the reference point, in the objectives' own units.

    None if an objective has no reference; one that only bounds needs none. It is exact where that is done in a bounded
    number of steps, and estimated beyond: each objective more makes it five to ten times as much work. A point that is
    not better than the reference in every objective adds nothing, and neither does one that is infeasible.
    """
    aims = goals(objectives)
    if any(each.reference is None for each in aims):
        return None
    bound = [each for each in objectives if each.threshold is not None]
    feasible = [each for each in points if is_feasible(each.objectives, bound)]
    corner = [each.gain(each.reference or 0.0) for each in aims]
    above = gain_matrix(feasible, aims) - corner
    solid = above[(above > 0).all(axis=1)]
    try:
        return Hypervolume(volume([tuple(row) for row in solid.tolist()]))
    except TooMuch:
        estimate = covered(solid)
        return Hypervolume(estimate.value, estimate.margin)


def pareto_front(trials: Sequence[S], objectives: Sequence[Objective]) -> list[S]:
    """Return every scored, feasible trial that none dominates, equals included, by number."""
    sound = [each for each in trials if is_scored(each, objectives) and is_feasible(each.objectives or {}, objectives)]
    stands = undominated(gain_matrix(sound, objectives))
    return sorted((each for each, is_in in zip(sound, stands, strict=True) if is_in), key=_number)


def _thinned(points: list[Point], objectives: Sequence[Objective], limit: int) -> tuple[Point, ...]:
    """Takes out the most crowded point while there are too many; one by one, since each makes room for others."""
    evicted = []
    while len(points) > limit:
        distances = crowding(points, objectives)
        gains = gain_matrix(points, objectives).tolist()
        # Of equally crowded ones the lesser in the first objectives: vectors on a front differ, so age has no say.
        place = min(range(len(points)), key=lambda index: (distances[index], gains[index]))
        evicted.append(points.pop(place))
    return tuple(evicted)


def _is_hidden(front: Sequence[Point], gains: Matrix, point: Point, offered: Matrix) -> bool:
    """Tells whether a member dominates the point, or is an older equal of it."""
    covering = np.flatnonzero((gains >= offered).all(axis=1)).tolist()
    return any(bool((gains[each] > offered).any()) or front[each].number <= point.number for each in covering)


def gain_matrix(trials: Sequence[Scored], objectives: Sequence[Objective]) -> Matrix:
    """Return a row for each scored trial: what it reached, such that more is better; there is no negative zero."""
    names = [each.name for each in objectives]
    reached = [trial.objectives or {} for trial in trials]
    signs = [1.0 if each.rising else -1.0 for each in objectives]
    values = np.array([[each[name] for name in names] for each in reached]).reshape(-1, len(names)) * signs
    return np.minimum(values, [each.most for each in objectives]) + 0.0
