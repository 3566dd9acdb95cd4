"""How large a space is: conditions are summed over their branches, never multiplied."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.expressions import Fault
from domain.prompt_variables import PromptVariable
from domain.rules import Active, Rules
from domain.structured_variables import (
    ComputedVariable,
    ConditionalVariable,
    Declared,
    GroupVariable,
    HybridVariable,
)
from domain.values import Json
from domain.variables import ChoiceVariable

MOST_BRANCHES = 100_000
"""How many conditions may be looked at to count branches; beyond it the size is estimated."""

MOST_PARENTS = 100
"""How many variables may decide in one group that conditions tie together."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a space is before its constraints are applied.

    `discrete_cardinality` counts combinations of the discrete variables; a continuous variable, a choice that allows
    custom values, and a prompt that may change make the space infinite besides. Where the branches of conditions cannot
    be counted (`is_estimated`), it is an upper bound: as if every variable were always active.
    """

    discrete_cardinality: int
    log10: float
    is_infinite: bool
    discrete_dimensions: int
    continuous_dimensions: int
    conditional_dimensions: int = 0
    is_estimated: bool = False
    open_dimensions: int = 0
    """How many variables have no list of values at all: prompts that may change."""

    def decimal(self) -> str:
        """Return the cardinality in decimal; it may have 16,000 digits."""
        return decimal(self.discrete_cardinality)


def decimal(number: int) -> str:
    """Return an integer of any length in decimal; `str` refuses to write more than 4,300 digits."""
    return format(Decimal(number), "f")


def size_of(rules: Rules) -> Size:
    """Return the size of the space with these rules."""
    counts = [_tied_count(tied, rules) for tied in _tied(rules)]
    extents = [extent_of(variable) for variable in rules.order]
    cardinality = math.prod(count for count, _ in counts)
    return Size(
        cardinality,
        math.log10(cardinality),
        any(each.is_infinite for each in extents),
        sum(each.discrete for each in extents),
        sum(each.continuous for each in extents),
        len({*rules.conditions, *rules.splits}) + sum(each.conditional for each in extents),
        any(is_estimated for _, is_estimated in counts) or any(each.is_estimated for each in extents),
        sum(each.open for each in extents),
    )


@dataclass(frozen=True, slots=True)
class Extent:
    """What one variable adds to a space: how many combinations, and how many dimensions."""

    combinations: int
    discrete: int = 0
    continuous: int = 0
    is_infinite: bool = False
    conditional: int = 0
    is_estimated: bool = False
    open: int = 0


def extent_of(variable: Declared) -> Extent:
    """Return what a variable adds; of a conditional one, what both branches add together at most."""
    if isinstance(variable, ComputedVariable):
        return Extent(1)
    if isinstance(variable, PromptVariable) and variable.mutable:
        return Extent(1, is_infinite=True, open=1)
    if isinstance(variable, GroupVariable):
        size = variable.inner.size()
        dimensions = size.discrete_dimensions, size.continuous_dimensions
        more = size.conditional_dimensions, size.is_estimated
        return Extent(size.discrete_cardinality, *dimensions, size.is_infinite, *more)
    if isinstance(variable, HybridVariable):
        numbers = [extent_of(branch.range) for branch in variable.branches]
        continuous = max(each.continuous for each in numbers)
        return Extent(sum(each.combinations for each in numbers), 1, continuous, continuous > 0)
    if isinstance(variable, ConditionalVariable):
        branches = [extent_of(branch) for branch in variable.branches.values()]
        continuous, discrete = (max(getattr(each, name) for each in branches) for name in ("continuous", "discrete"))
        absent = 2 - len(branches)
        count = sum(each.combinations for each in branches) + absent
        return Extent(count, discrete, continuous, any(each.is_infinite for each in branches))
    if variable.cardinality is None:
        return Extent(1, continuous=1, is_infinite=True)
    return Extent(variable.cardinality, discrete=1, is_infinite=_is_open(variable))


def _tied(rules: Rules) -> list[list[Declared]]:
    """Return the variables that conditions and computed values tie together, in order; most are alone."""
    tied_to: dict[str, list[Declared]] = {}
    for variable in rules.order:
        ties = {id(tied_to[name]): tied_to[name] for name in rules.parents.get(variable.name, ())}
        merged = [each for tied in ties.values() for each in tied] + [variable]
        tied_to |= dict.fromkeys((each.name for each in merged), merged)
    place = {variable.name: index for index, variable in enumerate(rules.order)}
    groups = {id(tied): tied for tied in tied_to.values()}.values()
    return [sorted(tied, key=lambda each: place[each.name]) for tied in groups]


def _tied_count(tied: Sequence[Declared], rules: Rules) -> tuple[int, bool]:
    """Return how many combinations tied variables have, and whether that is only an upper bound."""
    asked = _asked(tied, rules)
    parents = [each for each in tied if each.name in asked]
    children = [each for each in tied if each.name not in asked]
    extents = [extent_of(each) for each in parents]
    bound = math.prod(each.combinations for each in extents) * math.prod(extent_of(e).combinations for e in children)
    if any(each.is_infinite for each in extents) or any(isinstance(e, GroupVariable | HybridVariable) for e in parents):
        return bound, True
    if len(parents) > MOST_PARENTS or math.prod(e.combinations for e in extents) * len(tied) > MOST_BRANCHES:
        return bound, True
    known = {id(form): extent_of(form).combinations for each in children for form in _forms(each)}
    return _branches(parents, children, known, rules, {}), False


def _asked(tied: Sequence[Declared], rules: Rules) -> set[str]:
    """Return the names that decide which variables are active, and those from which they are computed."""
    deciding = [
        expressions[each.name]
        for each in tied
        for expressions in (rules.conditions, rules.splits)
        if each.name in expressions
    ]
    asked: set[str] = set().union(*(expression.names for expression in deciding))
    asked |= {name for each in tied if each.name in rules.derived for name in rules.derived[each.name].names}
    return asked


def _forms(variable: Declared) -> Iterable[Declared]:
    """Return what a variable may be by the values of its parents, beside inactive."""
    return variable.branches.values() if isinstance(variable, ConditionalVariable) else (variable,)


def _branches(
    parents: Sequence[Declared],
    children: Sequence[Declared],
    known: Mapping[int, int],
    rules: Rules,
    values: dict[str, Json],
) -> int:
    """Count the combinations; `known` has those of each form of a child, by identity: asked for 100,000 times."""
    if not parents:
        active = (rules.active(each, values) for each in children)
        return math.prod(known[id(each)] for each in active if each is not None)
    first, others = rules.active(parents[0], values), parents[1:]
    if first is None:
        return _branches(others, children, known, rules, values)
    points = _points(first, rules, values)
    return sum(_branches(others, children, known, rules, {**values, **point}) for point in points)


def _points(variable: Active, rules: Rules, values: dict[str, Json]) -> Iterable[dict[str, Json]]:
    """Yield every value of a variable by its name."""
    if isinstance(variable, ComputedVariable):
        try:
            return [{variable.name: rules.computed(variable.name, values)}]
        except Fault:
            return [{}]  # no such configuration is valid; like those that break constraints it is counted
    assert not isinstance(variable, GroupVariable | HybridVariable)
    return ({variable.name: variable.at(index)} for index in range(variable.cardinality or 1))


def _is_open(variable: Declared) -> bool:
    return isinstance(variable, ChoiceVariable) and variable.allow_custom
