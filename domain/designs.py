"""Space-filling designs: points of the unit cube, each known from seed and index, and the configurations they mean.

A place in [0, 1) stands for the value at that share of a variable's own random draw: what a draw covers evenly (the
range, its logarithm, the grid, the choices), the design covers evenly too.
"""

from collections.abc import Sequence

import numpy as np

from domain.drawing import completed
from domain.repairing import repaired
from domain.sampling import random_configuration
from domain.seeds import Draw, digest
from domain.space import Space
from domain.values import Json

_JITTERS = 2**26


class _Place(Draw):
    """A draw whose first outcome is given; what a variable draws beyond it is random."""

    def __init__(self, place: float, *parts: int | str) -> None:
        super().__init__(*parts)
        self._place: float | None = place

    def unit(self) -> float:
        """Return the place, then random numbers."""
        place, self._place = self._place, None
        return super().unit() if place is None else place

    def below(self, count: int) -> int:
        """Return the integer at the place when [0, 1) is cut into `count` equal parts, then random ones."""
        place, self._place = self._place, None
        return super().below(count) if place is None else min(int(place * count), count - 1)


def configuration(space: Space, point: Sequence[float], *parts: int | str) -> dict[str, Json]:
    """Return the configuration at a point of the unit cube, one coordinate a variable.

    Coordinates of inactive variables have no effect. The parts seed what the point cannot decide: where it breaks a
    constraint it is repaired by chance, or else drawn; raises Unsatisfied when nothing is found.
    """
    places = dict(zip(space.names, point, strict=True))
    values = space.ordered(completed(space.rules, lambda name: _Place(places[name], *parts, name)))
    if space.rules.broken(values):
        mended = repaired(space, values, Draw(*parts, "repair"))
        return mended if mended is not None else random_configuration(space, digest(*parts, "instead", size=8), 0)
    return values


def sobol_point(seed: int, index: int, dimensions: int) -> tuple[float, ...]:
    """Return the index-th point of that seed's scrambled Sobol sequence: SciPy's, at most 2^30 points."""
    from scipy.stats import qmc

    if not dimensions:
        return ()
    generator = np.random.Generator(np.random.PCG64(digest(seed, "sobol")))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=generator)
    if index:
        sequence.fast_forward(index)
    return tuple(sequence.random(1)[0].tolist())


def latin_hypercube_point(seed: int, count: int, index: int, dimensions: int) -> tuple[float, ...]:
    """Return the index-th of `count` points: in every dimension each of `count` equal strata holds one of them.

    From `count` on another hypercube follows.
    """
    repetition, row = divmod(index, count)
    parts = (seed, "latin_hypercube", count, repetition)
    return tuple(
        (_stratum(count, row, *parts, each) + _jitter(*parts, each, row)) / count for each in range(dimensions)
    )


def _stratum(count: int, row: int, *parts: int | str) -> int:
    # Raw bits ranked: the same permutation with every numpy, and fast.
    return int(np.argsort(np.random.PCG64(digest(*parts)).random_raw(count), kind="stable")[row])


def _jitter(*parts: int | str) -> float:
    """Return a random number so far within (0, 1) that no rounding leaves the stratum."""
    return (Draw(*parts, "jitter").below(_JITTERS) + 0.5) / _JITTERS
