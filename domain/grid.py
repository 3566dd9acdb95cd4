"""The grid of a space: every combination of the values of discrete variables and some levels of continuous ones."""

import math
from collections.abc import Iterator, Mapping

from domain.space import Space
from domain.structured_variables import scalar
from domain.values import Invalid, Json, Violation
from domain.variables import FloatVariable, Variable

MOST_LEVELS = 1000
"""How many values of one continuous variable a grid may have."""


class Levels:
    """How many values of each variable a grid has, parents before children.

    `levels` is meant for every continuous variable, `of` for single ones. Raises Invalid where `of` names others, and
    ValueError for variables that take no scalars.
    """

    def __init__(self, space: Space, levels: int, of: Mapping[str, int] | None = None) -> None:
        self.variables = [scalar(each) for each in space.rules.order]
        wanted = dict(of or {})
        known = {each.name for each in self.variables if each.cardinality is None}
        faults = [_fault(name, count) for name, count in wanted.items() if name not in known or not _is_fit(count)]
        if faults:
            raise Invalid(faults)
        self.counts = [each.cardinality or wanted.get(each.name, levels) for each in self.variables]
        self.total = math.prod(self.counts)


def grid_points(space: Space, levels: Levels, index: int) -> Iterator[tuple[int, dict[str, Json] | None]]:
    """Yield each raw index from one on, with its configuration; the last variable changes fastest.

    Raw indices count all combinations: for those that break a constraint None is yielded. Of those that differ in
    inactive variables alone only the first is looked at, so that no configuration comes twice.
    """
    while index < levels.total:
        found = _configuration(space, levels, index)
        if isinstance(found, int):
            index = found
        else:
            yield index, None if space.rules.broken(found) else space.ordered(found)
            index += 1


def _configuration(space: Space, levels: Levels, index: int) -> dict[str, Json] | int:
    """Return the values at a raw index; where it repeats an earlier one, the next raw index that may not."""
    values: dict[str, Json] = {}
    below = levels.total
    for variable, count in zip(levels.variables, levels.counts, strict=True):
        below //= count
        digit = index // below % count
        if space.rules.active(variable, values) is not None:
            values[variable.name] = _value(variable, digit, count)
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


def _is_fit(count: int) -> bool:
    return 1 <= count <= MOST_LEVELS


def _fault(name: str, count: int) -> Violation:
    if not _is_fit(count):
        return Violation(f"levels_of.{name}", f"must be 1 to {MOST_LEVELS}, not {count}", "OUT_OF_RANGE")
    return Violation(f"levels_of.{name}", "is no continuous variable of this space", "UNKNOWN_NAME")
