"""The grid of a space: every combination of the values of discrete variables and some levels of continuous ones."""

import math
from collections.abc import Iterator, Mapping

from domain.leaves import found, leaves, made
from domain.space import Space
from domain.values import Invalid, Json, Violation
from domain.variables import FloatVariable, Variable

MOST_LEVELS = 1000
"""How many values of one continuous variable a grid may have."""


class Levels:
    """How many values of each scalar a grid has, those inside other variables included, parents before children.

    `levels` is meant for every continuous one, `of` for single ones, by key: `temperature`, `sampler.top_p`. Raises
    Invalid where `of` names others.
    """

    def __init__(self, space: Space, levels: int, of: Mapping[str, int] | None = None) -> None:
        wanted = dict(of or {})
        self.variables = {each.key: each.variable for each in leaves(space, parents_first=True)}
        known = {key for key, each in self.variables.items() if each.cardinality is None}
        faults = [_fault(key, count) for key, count in wanted.items() if key not in known or not _is_fit(count)]
        if faults:
            raise Invalid(faults)
        self.counts = {key: each.cardinality or wanted.get(key, levels) for key, each in self.variables.items()}
        self.total = math.prod(self.counts.values())


def grid_points(space: Space, levels: Levels, index: int) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Yield each raw index from one on, with its configuration; the last scalar changes fastest.

    Raw indices count all combinations: for those that break a constraint None is yielded. Of those that differ in
    inactive scalars alone only the first is looked at, so that no configuration comes twice.
    """
    while index < levels.total:
        at = _configuration(space, levels, index)
        if isinstance(at, int):
            index = at
        else:
            yield index, None if space.rules.broken(at) else at
            index += 1


def grid_place(space: Space, levels: Levels, values: Mapping[str, Json]) -> int | None:
    """Return the raw index of a configuration, inactive scalars being at their first value; None if it has none."""
    index, digits = 0, dict.fromkeys(levels.counts, 0)
    try:
        digits |= {key: _digit(levels, key, value) for key, value in found(space, values)}
    except KeyError:  # a custom choice, which no grid has
        return None
    for key, count in levels.counts.items():
        index = index * count + digits[key]
    return index


def _digit(levels: Levels, key: str, value: Json) -> int:
    variable = levels.variables[key]
    if not isinstance(variable, FloatVariable) or variable.cardinality is not None:
        return variable.index(value)
    places = [_value(variable, digit, levels.counts[key]) for digit in range(levels.counts[key])]
    return min(range(len(places)), key=lambda digit: abs(places[digit] - value))


def _configuration(space: Space, levels: Levels, index: int) -> dict[str, Json] | int:
    """Return the values at a raw index; where it repeats an earlier one, the next raw index that may not."""
    left, below = index, levels.total
    places: dict[str, tuple[int, int]] = {}
    for key, count in levels.counts.items():
        below //= count
        digit, left = divmod(left, below)
        places[key] = digit, below
    unused = dict(places)

    def take(key: str) -> Json:
        return _value(levels.variables[key], unused.pop(key)[0], levels.counts[key])

    values = made(space, take)
    for key, (digit, below) in unused.items():
        if digit:
            # All other digits of an inactive scalar repeat the first: on to where this one is 0 again.
            period = below * levels.counts[key]
            return (index // period + 1) * period
    return values


def _value(variable: Variable, digit: int, levels: int) -> Json:
    if not isinstance(variable, FloatVariable) or variable.cardinality is not None:
        return variable.at(digit)
    share = digit / (levels - 1) if levels > 1 else 0.5
    low, high = variable.low, variable.high
    if variable.log:
        value = math.exp(math.log(low) * (1 - share) + math.log(high) * share)
    else:
        value = low * (1 - share) + high * share
    return variable.accept(min(max(value, low), high), variable.name)


def _is_fit(count: int) -> bool:
    return 1 <= count <= MOST_LEVELS


def _fault(name: str, count: int) -> Violation:
    if not _is_fit(count):
        return Violation(f"levels_of.{name}", f"must be 1 to {MOST_LEVELS}, not {count}", "OUT_OF_RANGE")
    return Violation(f"levels_of.{name}", "is no continuous variable of this space", "UNKNOWN_NAME")
