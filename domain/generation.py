"""Configurations by the list: at random, by design, from the grid, or around others. Each is known from its index."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from domain.designs import configuration, latin_hypercube_point, sobol_point
from domain.grid import grid_points, radices
from domain.moving import crossed, perturbed
from domain.sampling import Sampler
from domain.seeds import Draw
from domain.space import Space
from domain.values import Invalid, Json, Violation, refused

MOST_POINTS = 50_000
"""How many points of a grid are looked at for one list of configurations."""

LARGEST_GRID = 2**62
"""How many points a grid may have, so that 64 bits number them."""


@dataclass(frozen=True)
class Wanted:
    """What to generate: `count` configurations from `index` on.

    `total` is the size of a Latin hypercube, `levels` the grid's values of a continuous variable, `around` what is
    perturbed or crossed, `scale` the usual step's share of a range.
    """

    count: int
    seed: int = 0
    index: int = 0
    total: int = 0
    levels: int = 5
    around: Sequence[Mapping[str, Json]] = ()
    scale: float = 0.1


@dataclass(frozen=True)
class Generated:
    """Configurations, the index at which to go on, and how many raw points there are; 0 where there is no end."""

    configurations: list[dict[str, Json]] = field(default_factory=list)
    next_index: int = 0
    total: int = 0


def generate(space: Space, strategy: str, wanted: Wanted) -> Generated:
    """Return what is wanted, by a strategy of STRATEGIES.

    The same arguments give the same configurations. Raises Unsatisfied where none is found with the effort allowed, and
    Invalid for what the space or the strategy cannot do.
    """
    return STRATEGIES[strategy](space, wanted)


def _listed(make: Callable[[int], dict[str, Json]], wanted: Wanted, total: int = 0) -> Generated:
    end = wanted.index + wanted.count
    return Generated([make(index) for index in range(wanted.index, end)], end, total)


def _random(space: Space, wanted: Wanted) -> Generated:
    return _listed(Sampler(space, wanted.seed, wanted.count).configuration, wanted)


def _sobol(space: Space, wanted: Wanted) -> Generated:
    def make(index: int) -> dict[str, Json]:
        point = sobol_point(wanted.seed, index, len(space.variables))
        return configuration(space, point, wanted.seed, "sobol", index)

    if wanted.index + wanted.count > 2**30:
        raise refused("index", "must end within the 2^30 points of the sequence", "OUT_OF_RANGE")
    return _listed(make, wanted)


def _latin_hypercube(space: Space, wanted: Wanted) -> Generated:
    total = wanted.total or wanted.count

    def make(index: int) -> dict[str, Json]:
        point = latin_hypercube_point(wanted.seed, total, index, len(space.variables))
        return configuration(space, point, wanted.seed, "latin_hypercube", index)

    return _listed(make, wanted, total)


def _grid(space: Space, wanted: Wanted) -> Generated:
    if not space.is_flat:
        raise refused("strategy", "goes over scalars only, which some variables of the space are not", "UNSUPPORTED")
    total = math.prod(radices(space, wanted.levels))
    if total > LARGEST_GRID:
        raise refused("strategy", "makes a grid of more than 2^62 points: more than can be numbered", "OUT_OF_RANGE")
    found: list[dict[str, Json]] = []
    points = islice(grid_points(space, wanted.levels, wanted.index), MOST_POINTS)
    for looked, (index, values) in enumerate(points, 1):
        found += [] if values is None else [values]
        if len(found) == wanted.count or looked == MOST_POINTS:
            return Generated(found, index + 1, total)
    return Generated(found, total, total)


def _default(space: Space, wanted: Wanted) -> Generated:
    try:
        return Generated([] if wanted.index else [space.validate({})], 1, 1)
    except Invalid as invalid:
        raise Invalid(
            Violation("strategy", f"needs valid defaults: {each.path} {each.message}", each.code)
            for each in invalid.violations
        ) from None


def _perturb(space: Space, wanted: Wanted) -> Generated:
    around = _around(space, wanted, 1)

    def make(index: int) -> dict[str, Json]:
        source = Draw(wanted.seed, "perturb", index)
        return perturbed(space, around[index % len(around)], source, wanted.scale)

    return _listed(make, wanted)


def _crossover(space: Space, wanted: Wanted) -> Generated:
    around = _around(space, wanted, 2)

    def make(index: int) -> dict[str, Json]:
        source = Draw(wanted.seed, "crossover", index)
        first = source.below(len(around))
        second = (first + 1 + source.below(len(around) - 1)) % len(around)
        return crossed(space, around[first], around[second], source)

    return _listed(make, wanted)


def _around(space: Space, wanted: Wanted, least: int) -> list[dict[str, Json]]:
    """Return the configurations to start from, validated; raises Invalid with every violation of every one."""
    if len(wanted.around) < least:
        raise refused("around", f"must be {least} configurations at least, not {len(wanted.around)}", "REQUIRED")
    found: list[dict[str, Json]] = []
    violations: list[Violation] = []
    for index, values in enumerate(wanted.around):
        try:
            found.append(space.validate(values))
        except Invalid as invalid:
            paths = [(each, each.path.removeprefix("values")) for each in invalid.violations]
            violations += [Violation(f"around[{index}]{path}", each.message, each.code) for each, path in paths]
    if violations:
        raise Invalid(violations)
    return found


STRATEGIES: dict[str, Callable[[Space, Wanted], Generated]] = {
    "random": _random,
    "sobol": _sobol,
    "latin_hypercube": _latin_hypercube,
    "grid": _grid,
    "default": _default,
    "perturb": _perturb,
    "crossover": _crossover,
}
