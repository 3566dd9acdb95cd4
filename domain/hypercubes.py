"""Latin hypercubes: designs of a given number of points that hit every stratum of every dimension once."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.seeds import Draw, digest

CANDIDATES = 32
"""Among how many hypercubes maximin chooses."""

MOST_SPREAD = 1000
"""How many points a hypercube may have to be chosen by the distances between all of them."""

_JITTERS = 2**26


def latin_hypercube_point(
    seed: int, count: int, index: int, dimensions: int, *, maximin: bool = False
) -> tuple[float, ...]:
    """Return the index-th of `count` points: in every dimension each of `count` equal strata holds one of them.

    From `count` on another hypercube follows. With `maximin`, for at most MOST_SPREAD points, it is the one of
    CANDIDATES hypercubes whose two nearest points are farthest apart.
    """
    repetition, row = divmod(index, count)
    parts: tuple[int | str, ...] = (seed, "latin_hypercube", count, repetition)
    if maximin:
        parts = (*parts, "maximin", _widest(parts, count, dimensions))
    return _point(parts, count, row, dimensions)


def latin_hypercube_points(
    seed: int, count: int, index: int, dimensions: int, *, maximin: bool = False
) -> Iterator[tuple[float, ...]]:
    """Yield the points of one hypercube after another, from an index on."""
    while True:
        yield latin_hypercube_point(seed, count, index, dimensions, maximin=maximin)
        index += 1


def _point(parts: tuple[int | str, ...], count: int, row: int, dimensions: int) -> tuple[float, ...]:
    return tuple(
        (int(_strata(count, *parts, each)[row]) + _jitter(*parts, each, row)) / count for each in range(dimensions)
    )


@lru_cache(maxsize=64)
def _strata(count: int, *parts: int | str) -> NDArray[np.int32]:
    # Raw bits ranked: the same permutation with every numpy, and fast.
    return np.argsort(np.random.PCG64(digest(*parts)).random_raw(count), kind="stable").astype(np.int32)


def _jitter(*parts: int | str) -> float:
    """Return a random number so far within (0, 1) that no rounding leaves the stratum."""
    return (Draw(*parts, "jitter").below(_JITTERS) + 0.5) / _JITTERS


@lru_cache(maxsize=64)
def _widest(parts: tuple[int | str, ...], count: int, dimensions: int) -> int:
    """Return the number of the hypercube whose strata lie farthest apart; the first of equals."""
    return max(range(CANDIDATES), key=lambda number: _nearest((*parts, "maximin", number), count, dimensions))


def _nearest(parts: tuple[int | str, ...], count: int, dimensions: int) -> float:
    """Return the square of the distance between the two nearest points, by their strata: whole numbers, so exact."""
    from scipy.spatial.distance import pdist

    if count < 2 or not dimensions:
        return 0.0
    strata: Any = np.stack([_strata(count, *parts, each) for each in range(dimensions)], axis=1)
    return float(pdist(strata, "sqeuclidean").min())
