"""One trial of a front: what somebody who must run a single configuration takes, by a rule that is said."""

from collections.abc import Mapping, Sequence

import numpy as np

from domain.objectives import Objective, S
from domain.pareto import gain_matrix
from domain.undominated import Matrix

Weights = Mapping[str, float]


def weighted(front: Sequence[S], objectives: Sequence[Objective], weights: Weights) -> S:
    """Return the trial with the largest weighted sum of gains, each in shares of its range on the front."""
    return _largest(front, _shares(front, objectives) @ _weights(objectives, weights))


def lexicographic(front: Sequence[S], objectives: Sequence[Objective], tolerances: Weights) -> S:
    """Return the best trial by the first objective; by the next among those within its tolerance, and so on.

    Tolerances are in the objectives' own units, 0 where none is named.
    """
    gains, left = gain_matrix(front, objectives), np.arange(len(front))
    for column, objective in enumerate(objectives):
        reached = gains[left, column]
        left = left[reached >= reached.max() - tolerances.get(objective.name, 0.0)]
    return _largest([front[index] for index in left.tolist()], gains[left, 0])


def knee(front: Sequence[S], objectives: Sequence[Objective]) -> S:
    """Return the trial that lies farthest beyond the plane through the best of each objective (Das, 1999).

    Left or right of it a little of one objective costs much of another.
    """
    shares = _shares(front, objectives)
    corners = shares[[_first_largest(shares, column) for column in range(len(objectives))]]
    normal, *_ = np.linalg.lstsq(corners, np.ones(len(objectives)), rcond=None)
    # Corners that span no plane: the one through the ends of the axes.
    plane = normal if (normal > 0).all() and np.allclose(corners @ normal, 1.0) else np.ones(len(objectives))
    return _largest(front, shares @ plane)


def topsis(front: Sequence[S], objectives: Sequence[Objective], weights: Weights) -> S:
    """Return the trial nearest to the ideal and farthest from the worst, by TOPSIS (Hwang and Yoon, 1981)."""
    gains = gain_matrix(front, objectives)
    lengths = np.sqrt((gains**2).sum(axis=0))
    scaled = gains / np.where(lengths > 0, lengths, 1.0) * _weights(objectives, weights)
    to_best = np.linalg.norm(scaled - scaled.max(axis=0), axis=1)
    to_worst = np.linalg.norm(scaled - scaled.min(axis=0), axis=1)
    both = to_best + to_worst
    return _largest(front, np.where(both > 0, to_worst / np.where(both > 0, both, 1.0), 1.0))


def distinct(front: Sequence[S], objectives: Sequence[Objective], epsilons: Weights) -> list[S]:
    """Return the front thinned to one trial a box of the epsilons' size (Laumanns et al., 2002), by number.

    In a box the trial nearest to its best corner stays. An objective without an epsilon is not boxed.
    """
    gains = gain_matrix(front, objectives)
    sizes = np.array([epsilons.get(each.name, 0.0) for each in objectives])
    boxed = np.where(sizes > 0, np.floor(gains / np.where(sizes > 0, sizes, 1.0)), gains)
    away = np.where(sizes > 0, boxed + 1 - gains / np.where(sizes > 0, sizes, 1.0), 0.0)
    nearest: dict[tuple[float, ...], tuple[float, int]] = {}
    for index, box in enumerate(map(tuple, boxed.tolist())):
        offered = float((away[index] ** 2).sum()), index
        nearest[box] = min(nearest.get(box, offered), offered)
    return sorted((front[index] for _, index in nearest.values()), key=lambda each: each.number)


def _shares(front: Sequence[S], objectives: Sequence[Objective]) -> Matrix:
    gains = gain_matrix(front, objectives)
    low, high = gains.min(axis=0), gains.max(axis=0)
    return np.asarray((gains - low) / np.where(high > low, high - low, 1.0))


def _weights(objectives: Sequence[Objective], weights: Weights) -> Matrix:
    return np.array([weights.get(each.name, 1.0) for each in objectives])


def _first_largest(shares: Matrix, column: int) -> int:
    # Among equals of one objective the one that gives least of the others away.
    return int(np.lexsort((-shares.sum(axis=1), -shares[:, column]))[0])


def _largest(front: Sequence[S], values: Matrix) -> S:
    """Return the trial of the largest value, the older of equals."""
    return min(zip(front, values.tolist(), strict=True), key=lambda each: (-each[1], each[0].number))[0]
