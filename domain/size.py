"""How large a space is: conditions are summed over their branches, never multiplied."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.judging import holds
from domain.rules import Rules
from domain.values import Json
from domain.variables import ChoiceVariable, Variable

MOST_BRANCHES = 100_000
"""How many conditions may be looked at to count branches; beyond it the size is estimated."""

MOST_PARENTS = 100
"""How many variables may decide in one group that conditions tie together."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a space is before its constraints are applied.

    `discrete_cardinality` counts combinations of the discrete variables; a continuous variable, and a choice that
    allows custom values, makes the space infinite besides. Where the branches of conditions cannot be counted
    (`is_estimated`), it is an upper bound: as if every variable were always active.
    """

    discrete_cardinality: int
    log10: float
    is_infinite: bool
    discrete_dimensions: int
    continuous_dimensions: int
    conditional_dimensions: int = 0
    is_estimated: bool = False

    def decimal(self) -> str:
        """Return the cardinality in decimal; it may have 16,000 digits, which `str` refuses to write."""
        return format(Decimal(self.discrete_cardinality), "f")


def size_of(rules: Rules) -> Size:
    """Return the size of the space with these rules."""
    variables, conditions = rules.order, rules.conditions
    counts = [_group_count(group, rules) for group in _groups(rules)]
    cardinality = math.prod(count for count, _ in counts)
    continuous = sum(variable.cardinality is None for variable in variables)
    return Size(
        cardinality,
        math.log10(cardinality),
        continuous > 0 or any(map(_is_open, variables)),
        len(variables) - continuous,
        continuous,
        len(conditions),
        any(is_estimated for _, is_estimated in counts),
    )


def _groups(rules: Rules) -> list[list[Variable]]:
    """Return the variables that conditions tie together, each group in order; most are alone."""
    group_of: dict[str, list[Variable]] = {}
    for variable in rules.order:
        condition = rules.conditions.get(variable.name)
        tied = {id(group_of[name]): group_of[name] for name in (condition.names if condition else ())}
        merged = [each for group in tied.values() for each in group] + [variable]
        group_of |= dict.fromkeys((each.name for each in merged), merged)
    place = {variable.name: index for index, variable in enumerate(rules.order)}
    groups = {id(group): group for group in group_of.values()}.values()
    return [sorted(group, key=lambda each: place[each.name]) for group in groups]


def _group_count(group: Sequence[Variable], rules: Rules) -> tuple[int, bool]:
    """Return how many combinations a group has, and whether that is only an upper bound."""
    asked = {name for each in group if each.name in rules.conditions for name in rules.conditions[each.name].names}
    parents = [each for each in group if each.name in asked]
    children = [each for each in group if each.name not in asked]
    bound = math.prod(_count(each) for each in group)
    if any(each.cardinality is None or _is_open(each) for each in parents):
        return bound, True
    if len(parents) > MOST_PARENTS or math.prod(map(_count, parents)) * len(group) > MOST_BRANCHES:
        return bound, True
    return _branches(parents, children, rules, {}), False


def _branches(parents: Sequence[Variable], children: Iterable[Variable], rules: Rules, values: dict[str, Json]) -> int:
    if not parents:
        return math.prod(_count(each) for each in children if _is_active(each, rules, values))
    first, others = parents[0], parents[1:]
    if not _is_active(first, rules, values):
        return _branches(others, children, rules, values)
    points = (first.at(index) for index in range(_count(first)))
    return sum(_branches(others, children, rules, {**values, first.name: point}) for point in points)


def _is_active(variable: Variable, rules: Rules, values: Mapping[str, Json]) -> bool:
    condition = rules.conditions.get(variable.name)
    return condition is None or holds(condition, values)


def _count(variable: Variable) -> int:
    return 1 if variable.cardinality is None else variable.cardinality


def _is_open(variable: Variable) -> bool:
    return isinstance(variable, ChoiceVariable) and variable.allow_custom
