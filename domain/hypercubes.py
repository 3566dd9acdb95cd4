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

BLOCK = 1000
"""For how many points columns are ranked at once: more columns than are remembered would be ranked for each point."""

_JITTERS = 2**26


def latin_hypercube_point(
    seed: int, count: int, index: int, dimensions: int, *, maximin: bool = False
) -> tuple[float, ...]:
    """Return the index-th of `count` points: in every dimension each of `count` equal strata holds one of them.

    From `count` on another hypercube follows. With `maximin`, for at most MOST_SPREAD points, it is the one of
    CANDIDATES hypercubes whose two nearest points are farthest apart.
    """
    repetition, row = divmod(index, count)
    parts = _parts(seed, count, repetition, dimensions, maximin)
    return next(_rows(parts, count, range(row, row + 1), dimensions))


def latin_hypercube_points(
    seed: int, count: int, index: int, dimensions: int, *, maximin: bool = False
) -> Iterator[tuple[float, ...]]:
    """Yield the points of one hypercube after another, from an index on."""
    while True:
        repetition, row = divmod(index, count)
        rows = range(row, min(row + BLOCK, count))
        yield from _rows(_parts(seed, count, repetition, dimensions, maximin), count, rows, dimensions)
        index += len(rows)


def _parts(seed: int, count: int, repetition: int, dimensions: int, maximin: bool) -> tuple[int | str, ...]:
    parts: tuple[int | str, ...] = (seed, "latin_hypercube", count, repetition)
    return (*parts, "maximin", _widest(parts, count, dimensions)) if maximin else parts


def _rows(parts: tuple[int | str, ...], count: int, rows: range, dimensions: int) -> Iterator[tuple[float, ...]]:
    """Yield some rows of one hypercube; each column is ranked once for all of them."""
    strata = [_strata(count, *parts, each)[rows.start : rows.stop].tolist() for each in range(dimensions)]
    for place, row in enumerate(rows):
        yield tuple((strata[each][place] + _jitter(*parts, each, row)) / count for each in range(dimensions))


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
