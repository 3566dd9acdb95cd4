"""How much of the objectives' space a front dominates: exact, by sweeps up to three dimensions, by slices beyond."""

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from domain.undominated import Matrix, undominated

Vector = tuple[float, ...]


MOST_STEPS = {5: 60_000, 6: 25_000, 7: 15_000, 8: 10_000}
"""How many rows are looked at, by dimensions, before an exact volume is given up: some tenths of a second's work.

Steps and not time, so that the same points have the same answer on every machine. That is enough for 200 points of
five dimensions, and for 80, 40 and 25 of six, seven and eight where they lie evenly; hollow fronts take thrice as much.
"""


class TooMuch(Exception):  # noqa: N818 - an answer rather than a fault
    """The volume takes more steps than may be taken."""


def volume(vectors: Sequence[Vector]) -> float:
    """Return the measure of the union of the boxes between the origin and each vector; raises TooMuch.

    All coordinates are gains above the reference point; boxes with a coordinate that is not above 0 are empty.
    """
    solid = [each for each in vectors if min(each) > 0]
    if not solid:
        return 0.0
    dimensions = len(solid[0])
    if dimensions == 1:
        return max(each[0] for each in solid)
    if dimensions == 2:
        return _area(solid)
    return _swept(solid) if dimensions == 3 else _sliced(np.array(solid), _Steps(MOST_STEPS.get(dimensions)))


def _area(vectors: Sequence[Vector]) -> float:
    stairs = _Staircase()
    return math.fsum(stairs.grow(x, y) for x, y in vectors)


def _swept(vectors: Sequence[Vector]) -> float:
    """Sweeps down the third coordinate; between two neighbouring points the cross-section is a staircase's area."""
    ordered = sorted(vectors, key=lambda each: (each[2], each), reverse=True)
    lower = [*(each[2] for each in ordered), 0.0][1:]
    stairs, area, slabs = _Staircase(), 0.0, []
    for (x, y, z), below in zip(ordered, lower, strict=True):
        area += stairs.grow(x, y)
        slabs.append(area * (z - below))
    return math.fsum(slabs)


class _Staircase:
    """A union of rectangles at the origin: its corners by rising x and falling y."""

    def __init__(self) -> None:
        self.xs: list[float] = [0.0, math.inf]
        self.ys: list[float] = [math.inf, 0.0]

    def grow(self, x: float, y: float) -> float:
        """Adds a rectangle and returns the area that it adds: a sum of positive pieces, so no digits cancel."""
        xs, ys = self.xs, self.ys
        right = bisect_left(xs, x)  # the first corner that is not left of it
        if ys[right] >= y:
            return 0.0
        added, left, edge = 0.0, right, x
        # From right to left over the corners that the new one hides.
        while True:
            added += (edge - xs[left - 1]) * (y - ys[left])
            if ys[left - 1] > y:
                break
            left -= 1
            edge = xs[left]
        end = right + (xs[right] == x)
        xs[left:end], ys[left:end] = [x], [y]
        return added


class _Steps:
    """Counts the steps of one volume, where they are bounded."""

    def __init__(self, most: int | None) -> None:
        self._left = math.inf if most is None else most

    def take(self, count: int) -> None:
        """Takes so many; raises TooMuch where they are not left."""
        self._left -= count
        if self._left < 0:
            raise TooMuch


def _sliced(rows: Matrix, steps: _Steps) -> float:
    """Sums slices of the last coordinate as the Walking Fish Group does: what each point has beside those above it.

    In rising order of the last coordinate the points above one reach through its whole slice, so that what they
    share with it is a volume of one dimension less.
    """
    steps.take(len(rows))
    if rows.shape[1] == 3:
        return _swept([(x, y, z) for x, y, z in rows.tolist()])
    rows = rows[np.lexsort(rows.T)]
    slices = []
    for index, row in enumerate(rows):
        shared = np.minimum(rows[index + 1 :, :-1], row[:-1])
        if shared.shape[1] > 3:  # fewer rows are worth their search only before more slicing
            shared = shared[undominated(shared)]
            steps.take(len(shared))
        slices.append(float(row[-1]) * (float(np.prod(row[:-1])) - _sliced(shared, steps)))
    return math.fsum(slices)
