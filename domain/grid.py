"""The grid of a space: every combination of the values of discrete variables and some levels of continuous ones."""

import math
from collections.abc import Iterator

from domain.space import Space
from domain.structured_variables import scalar
from domain.values import Json
from domain.variables import FloatVariable, Variable


def radices(space: Space, levels: int) -> list[int]:
    """Return how many values of each variable the grid has, parents before children.

    Raises ValueError for variables that take no scalars.
    """
    return [scalar(each).cardinality or levels for each in space.rules.order]


def grid_points(space: Space, levels: int, index: int) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Yield each raw index from one on, with its configuration; the last variable changes fastest.

    Raw indices count all combinations: for those that break a constraint None is yielded. Of those that differ in
    inactive variables alone only the first is looked at, so that no configuration comes twice.
    """
    counts = radices(space, levels)
    total = math.prod(counts)
    while index < total:
        found = _configuration(space, counts, levels, index)
        if isinstance(found, int):
            index = found
        else:
            yield index, None if space.rules.broken(found) else space.ordered(found)
            index += 1


def _configuration(space: Space, counts: list[int], levels: int, index: int) -> dict[str, Json] | int:
    """Return the values at a raw index; where it repeats an earlier one, the next raw index that may not."""
    values: dict[str, Json] = {}
    below = math.prod(counts)
    for declared, count in zip(space.rules.order, counts, strict=True):
        below //= count
        digit = index // below % count
        if space.rules.active(declared, values) is not None:
            values[declared.name] = _value(scalar(declared), digit, levels)
        elif digit:
            # All other digits of an inactive variable repeat the first: on to where this one is 0 again.
            return (index // (below * count) + 1) * below * count
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
