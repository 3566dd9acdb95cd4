"""Space-filling designs: points of the unit cube, each known from seed and index, and the configurations they mean.

A place in [0, 1) stands for the value at that share of a variable's own random draw: what a draw covers evenly (the
range, its logarithm, the grid, the choices), the design covers evenly too.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from domain.drawing import completed
from domain.hypercubes import latin_hypercube_point, latin_hypercube_points
from domain.repairing import repaired
from domain.sampling import random_configuration
from domain.seeds import Draw, digest
from domain.space import Space
from domain.values import Json

__all__ = [
    "LONGEST",
    "configuration",
    "halton_points",
    "latin_hypercube_point",
    "latin_hypercube_points",
    "meant",
    "mended",
    "sobol_point",
    "sobol_points",
]

LONGEST = 2**30
"""How many points a Sobol sequence has here; a Halton sequence stops there as well."""

BLOCK = 1024
"""How many points of a sequence are made at once."""

Point = Sequence[float]


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


class _Share(Draw):
    """A draw whose outcomes are all given: for scalars, which take one each."""

    place = 0.0

    def unit(self) -> float:
        """Return the place."""
        return self.place

    def below(self, count: int) -> int:
        """Return the integer at the place."""
        return min(int(self.place * count), count - 1)


def meant(space: Space, point: Point, *parts: int | str) -> dict[str, Json]:
    """Return the values at a point of the unit cube, one coordinate a variable; constraints are not looked at.

    Coordinates of inactive variables have no effect. The parts seed what the point cannot decide.
    """
    if space.is_flat and not space.rules.parents:
        return _flat(space, point)
    places = dict(zip(space.names, point, strict=True))
    return space.ordered(completed(space.rules, lambda name: _Place(places[name], *parts, name)))


def _flat(space: Space, point: Point) -> dict[str, Json]:
    # Ten thousand points of twenty variables in a third of a second: scalars take one outcome each.
    share = _Share()
    values: dict[str, Json] = {}
    for variable, share.place in zip(space.variables, point, strict=True):
        values[variable.name] = variable.draw(share)
    return values


def configuration(space: Space, point: Point, *parts: int | str) -> dict[str, Json]:
    """Return the configuration at a point; where it breaks a constraint it is repaired by chance, or else drawn.

    Raises Unsatisfied when nothing is found.
    """
    values = meant(space, point, *parts)
    return mended(space, values, *parts) if space.rules.broken(values) else values


def mended(space: Space, values: dict[str, Json], *parts: int | str) -> dict[str, Json]:
    """Return values repaired by chance, or else a configuration drawn; raises Unsatisfied when nothing is found."""
    found = repaired(space, values, Draw(*parts, "repair"))
    return found if found is not None else random_configuration(space, digest(*parts, "instead", size=8), 0)


def sobol_point(seed: int, index: int, dimensions: int) -> tuple[float, ...]:
    """Return the index-th point of that seed's scrambled Sobol sequence: SciPy's, at most LONGEST points."""
    return tuple(next(sobol_points(seed, index, dimensions, 1)))


def sobol_points(seed: int, index: int, dimensions: int, block: int = BLOCK) -> Iterator[Point]:
    """Yield the points of that seed's scrambled Sobol sequence from an index on."""
    from scipy.stats import qmc

    return _points(qmc.Sobol, _skip_sobol, "sobol", seed, index, dimensions, block)


def halton_points(seed: int, index: int, dimensions: int, block: int = BLOCK) -> Iterator[Point]:
    """Yield the points of that seed's scrambled Halton sequence, as even after any number of points, from an index."""
    from scipy.stats import qmc

    return _points(qmc.Halton, _skip_halton, "halton", seed, index, dimensions, block)


def _points(
    sequence: Callable[..., Any],
    skip: Callable[[Any, int], None],
    name: str,
    seed: int,
    index: int,
    dimensions: int,
    block: int,
) -> Iterator[Point]:
    if dimensions:
        points = sequence(dimensions, scramble=True, rng=np.random.Generator(np.random.PCG64(digest(seed, name))))
        if index:
            skip(points, index)
    while index < LONGEST:
        count = min(block, LONGEST - index)
        yield from points.random(count).tolist() if dimensions else [()] * count
        index += count


def _skip_sobol(points: Any, count: int) -> None:
    """Leave out the first points; SciPy takes a step for each, and nobody else has a turn for minutes.

    A point is the exclusive or of the directions whose bits its number has in Gray code.
    """
    code = (count - 1) ^ (count - 1) >> 1
    bits = [bit for bit in range(points.bits) if code >> bit & 1]
    points._quasi ^= np.bitwise_xor.reduce(points._sv[:, bits], axis=1)
    points.num_generated = count


def _skip_halton(points: Any, count: int) -> None:
    """Leave out the first points; SciPy makes them all, which may be gigabytes."""
    points.num_generated = count
