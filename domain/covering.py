"""How much a union of boxes covers, estimated: for fronts that are too large to be measured exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from domain.undominated import Matrix

ROUNDS = 16
"""How many estimates are made, each with a scrambling of its own: their spread says how far off their mean is."""
_POINTS_LOG2 = 11
_T = 2.131449546
"""Student's t for 95 % between two ends, with 15 degrees of freedom."""
_UNSEEN = 3 / (ROUNDS * 2**_POINTS_LOG2)
"""What no point has hit may be that much: the rule of three, where all rounds agree."""
_SEED = 20_111_216
"""One seed for all fronts: two that differ in one point are off by much the same."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is likeliest, and how far the truth lies from it at most, in 95 of 100 cases."""

    value: float
    margin: float


def covered(corners: Matrix) -> Estimate:
    """Return about how much space the boxes between the origin and each corner take up together.

    Points are drawn either from the boxes, one of which is chosen by its size (Karp and Luby: a point counts the less
    the more boxes hold it), or from the box around them all, whichever is smaller: the variance, as a share of what is
    measured, is below that one's size over it. So the error is small however little of all space a front dominates.
    The points are Sobol's, scrambled anew in each round. The same corners have the same estimate.
    """
    around = corners.max(axis=0)
    shares = corners / around  # so that nothing overflows on the way
    measure = _by_boxes(shares) if np.prod(shares, axis=1).sum() < 1 else partial(_by_all, shares)
    rounds = [measure(drawn) for drawn in _drawn(corners.shape[1] + 1)]
    share, deviation = math.fsum(rounds) / ROUNDS, float(np.std(rounds, ddof=1))
    margin = max(_T * deviation / math.sqrt(ROUNDS), share * _UNSEEN)
    whole = float(np.prod(around))
    return Estimate(whole * share, whole * margin)


def _by_boxes(corners: Matrix) -> Callable[[Matrix], float]:
    ends = np.cumsum(np.prod(corners, axis=1))

    def measure(drawn: Matrix) -> float:
        chosen = np.minimum(np.searchsorted(ends, drawn[:, 0] * ends[-1], side="right"), len(corners) - 1)
        holding = _holding(corners, drawn[:, 1:] * corners[chosen])
        return float(ends[-1] * np.mean(1.0 / np.maximum(holding, 1)))

    return measure


def _by_all(corners: Matrix, drawn: Matrix) -> float:
    return float(np.mean(_holding(corners, drawn[:, 1:]) > 0))


def _holding(corners: Matrix, points: Matrix) -> Matrix:
    """Returns how many boxes hold each point."""
    count = np.zeros(len(points))
    for corner in corners:
        inside = points[:, 0] <= corner[0]
        for axis in range(1, len(corner)):
            inside &= points[:, axis] <= corner[axis]
        count += inside
    return count


@lru_cache(maxsize=4)
def _drawn(dimensions: int) -> tuple[Matrix, ...]:
    from scipy.stats import qmc

    seeds = np.random.default_rng(_SEED).integers(2**31, size=ROUNDS)
    return tuple(qmc.Sobol(dimensions, seed=int(each)).random_base2(_POINTS_LOG2) for each in seeds)
