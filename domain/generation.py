"""Configurations by the list: at random, by design, from the grid, or around others. Each is known from its index."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from domain.designs import (
    LONGEST,
    Point,
    halton_points,
    latin_hypercube_points,
    meant,
    mended,
    sobol_points,
)
from domain.grid import Levels, grid_points
from domain.hypercubes import MOST_SPREAD
from domain.moving import crossed, perturbed
from domain.sampling import ATTEMPTS, Effort, Sampler
from domain.seeds import Draw
from domain.space import Space
from domain.stratification import Coverage, Stratification
from domain.values import Invalid, Json, Violation, refused

MOST_POINTS = 50_000
"""How many points of a grid are looked at for one list of configurations."""

LARGEST_GRID = 2**62
"""How many points a grid may have, so that 64 bits number them."""


@dataclass(frozen=True)
class Wanted:
    """What to generate: `count` configurations from `index` on.

    `total` is the size of a Latin hypercube, of which `maximin` wants a wide one; `levels` are the grid's values of a
    continuous variable, `levels_of` those of single ones; `around` is what is perturbed or crossed, `scale` the usual
    step's share of a range.
    """

    count: int
    seed: int = 0
    index: int = 0
    total: int = 0
    maximin: bool = False
    levels: int = 5
    levels_of: Mapping[str, int] = field(default_factory=dict)
    around: Sequence[Mapping[str, Json]] = ()
    scale: float = 0.1


@dataclass(frozen=True, slots=True)
class Made:
    """A configuration, the index after its own, and the point of the design that it is; none where it was repaired."""

    values: dict[str, Json] | None
    next_index: int
    point: Point | None = None


@dataclass(frozen=True)
class Generated:
    """Configurations, the index at which to go on, and how many raw points there are; 0 where there is no end."""

    configurations: list[dict[str, Json]] = field(default_factory=list)
    next_index: int = 0
    total: int = 0
    stratification: tuple[Stratification, ...] = ()


@dataclass(frozen=True)
class Walk:
    """The way through a strategy's configurations, from an index on, one by one.

    `made` ends where the strategy has no more; without values it tells only how far it has come. `strata` is into how
    many parts a design cuts each variable's distribution; 0 for what is no design.
    """

    made: Iterator[Made]
    total: int = 0
    strata: int = 0


def generate(space: Space, strategy: str, wanted: Wanted) -> Generated:
    """Return what is wanted, by a strategy of STRATEGIES.

    The same arguments give the same configurations. Raises Unsatisfied where none is found with the effort allowed, and
    Invalid for what the space or the strategy cannot do.
    """
    walk = walk_of(space, strategy, wanted)
    coverage = Coverage(space, walk.strata)
    found: list[dict[str, Json]] = []
    index = wanted.index
    for made in islice(walk.made, wanted.count):
        index = made.next_index
        if made.values is None:
            break
        found.append(made.values)
        coverage.add(made.values, made.point)
    return Generated(found, index, walk.total, coverage.realised())


def walk_of(space: Space, strategy: str, wanted: Wanted) -> Walk:
    """Return the way through a strategy's configurations; it is taken lazily, so this may be the longest list.

    Raises Invalid for what the space or the strategy cannot do; taking it may raise Unsatisfied.
    """
    return STRATEGIES[strategy](space, wanted)


def _each(make: Callable[[int], dict[str, Json]], wanted: Wanted, end: int = LONGEST * 2**32) -> Iterator[Made]:
    return (Made(make(index), index + 1) for index in range(wanted.index, end))


def _random(space: Space, wanted: Wanted) -> Walk:
    return Walk(_each(Sampler(space, wanted.seed, wanted.count).configuration, wanted))


def _sobol(space: Space, wanted: Wanted) -> Walk:
    points = sobol_points(wanted.seed, wanted.index, len(space.variables))
    return Walk(_kept(space, wanted, _endless(wanted, points), "sobol"), strata=wanted.count)


def _halton(space: Space, wanted: Wanted) -> Walk:
    points = halton_points(wanted.seed, wanted.index, len(space.variables))
    return Walk(_kept(space, wanted, _endless(wanted, points), "halton"), strata=wanted.count)


def _endless(wanted: Wanted, points: Iterator[Point]) -> Iterator[Point]:
    if wanted.index + wanted.count > LONGEST:
        raise refused("index", "must end within the 2^30 points of the sequence", "OUT_OF_RANGE")
    return points


def _latin_hypercube(space: Space, wanted: Wanted) -> Walk:
    total = wanted.total or wanted.count
    if wanted.maximin and total > MOST_SPREAD:
        raise refused("maximin", f"compares all points of a hypercube, {MOST_SPREAD} at most", "OUT_OF_RANGE")
    points = latin_hypercube_points(wanted.seed, total, wanted.index, len(space.variables), maximin=wanted.maximin)
    return Walk(_kept(space, wanted, points, "latin_hypercube"), total, strata=total)


def _kept(space: Space, wanted: Wanted, points: Iterator[Point], name: str) -> Iterator[Made]:
    """Yield the points that break nothing; of ATTEMPTS in a row that do, the last is repaired, or drawn."""
    effort, skipped = Effort(space, wanted.count), 0
    for index, point in enumerate(points, wanted.index):
        parts = (wanted.seed, name, index)
        values = meant(space, point, *parts)
        if not effort.broken_by(values):
            skipped = 0
            yield Made(values, index + 1, point)
        elif (skipped := skipped + 1) == ATTEMPTS:
            skipped = 0
            yield Made(mended(space, values, *parts), index + 1)


def _grid(space: Space, wanted: Wanted) -> Walk:
    levels = Levels(space, wanted.levels, wanted.levels_of)
    if levels.total > LARGEST_GRID:
        raise refused("strategy", "makes a grid of more than 2^62 points: more than can be numbered", "OUT_OF_RANGE")
    return Walk(_on_grid(space, levels, wanted.index), levels.total)


def _on_grid(space: Space, levels: Levels, index: int) -> Iterator[Made]:
    for looked, (at, values) in enumerate(grid_points(space, levels, index), 1):
        if values is not None:
            yield Made(values, at + 1)
        if not looked % MOST_POINTS:
            yield Made(None, at + 1)
    yield Made(None, levels.total)


def _default(space: Space, wanted: Wanted) -> Walk:
    try:
        return Walk(iter([] if wanted.index else [Made(space.validate({}), 1)]), 1)
    except Invalid as invalid:
        raise Invalid(
            Violation("strategy", f"needs valid defaults: {each.path} {each.message}", each.code)
            for each in invalid.violations
        ) from None


def _perturb(space: Space, wanted: Wanted) -> Walk:
    around = _around(space, wanted, 1)

    def make(index: int) -> dict[str, Json]:
        source = Draw(wanted.seed, "perturb", index)
        return perturbed(space, around[index % len(around)], source, wanted.scale)

    return Walk(_each(make, wanted))


def _crossover(space: Space, wanted: Wanted) -> Walk:
    around = _around(space, wanted, 2)

    def make(index: int) -> dict[str, Json]:
        source = Draw(wanted.seed, "crossover", index)
        first = source.below(len(around))
        second = (first + 1 + source.below(len(around) - 1)) % len(around)
        return crossed(space, around[first], around[second], source)

    return Walk(_each(make, wanted))


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


STRATEGIES: dict[str, Callable[[Space, Wanted], Walk]] = {
    "random": _random,
    "sobol": _sobol,
    "halton": _halton,
    "latin_hypercube": _latin_hypercube,
    "grid": _grid,
    "default": _default,
    "perturb": _perturb,
    "crossover": _crossover,
}
