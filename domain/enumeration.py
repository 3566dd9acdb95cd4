"""Every configuration of a small space."""

from collections.abc import Iterator

from domain.expressions import Fault
from domain.rules import Active, Rules
from domain.space import Space
from domain.structured_variables import ComputedVariable, GroupVariable, HybridVariable
from domain.values import Json

MOST = 5000
"""How many combinations are looked at."""

MOST_VALUES = 250_000
"""How many values those may have together: a second's work."""


def every_configuration(space: Space) -> list[dict[str, Json]] | None:
    """Return every valid configuration, in the order of the grid; None where there are too many combinations.

    That is more than MOST, or more than MOST_VALUES values in them; continuous variables and choices that allow custom
    values have no end.
    """
    size = space.size()
    if size.is_infinite or size.discrete_cardinality > min(MOST, MOST_VALUES // max(_width(space), 1)):
        return None
    return [space.ordered(values) for values in _combinations(space.rules) if not space.rules.broken(values)]


def _width(space: Space) -> int:
    """Return how many variables there are, those within groups included."""
    groups = (each.inner for each in space.variables if isinstance(each, GroupVariable))
    return len(space.variables) + sum(map(_width, groups))


def _combinations(rules: Rules) -> list[dict[str, Json]]:
    """Return every combination of values, the last variable changing fastest; those without a computed value too."""
    found: list[dict[str, Json]] = [{}]
    for variable in rules.order:
        grown: list[dict[str, Json]] = []
        for values in found:
            active = rules.active(variable, values)
            points = (
                [{}] if active is None else [{active.name: each} for each in _points(active, rules, values)] or [{}]
            )
            grown.extend({**values, **point} for point in points)
        found = grown
    return found


def _points(variable: Active, rules: Rules, values: dict[str, Json]) -> Iterator[Json]:
    if isinstance(variable, ComputedVariable):
        try:
            yield rules.computed(variable.name, values)
        except Fault:
            return
    elif isinstance(variable, GroupVariable):
        yield from map(variable.inner.ordered, _combinations(variable.inner.rules))
    elif isinstance(variable, HybridVariable):
        for branch in variable.branches:
            numbers = (branch.range.at(index) for index in range(branch.range.cardinality or 1))
            yield from ({"choice": branch.choice, "number": number} for number in numbers)
    else:
        yield from (variable.at(index) for index in range(variable.cardinality or 1))
