"""The scalars inside configurations: what an estimator that knows only names and scalars can learn from.

A leaf is a scalar variable, or one inside a hybrid, a group or a branch; its key is its path: `model`, `tool.choice`,
`tool.0`, `search.depth`, `rate.then`. Computed variables have none: they follow from the others.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from domain.expressions import Fault
from domain.rules import Active
from domain.space import ComputedVariable, ConditionalVariable, Declared, GroupVariable, HybridVariable, Space, Variable
from domain.values import Json

Take = Callable[[str], Json]


@dataclass(frozen=True)
class Leaf:
    """A scalar; those under the same condition are present together, or not at all."""

    key: str
    variable: Variable
    condition: str = ""


def leaves(space: Space, prefix: str = "", condition: str = "", *, parents_first: bool = False) -> Iterator[Leaf]:
    """Yield every leaf of the space, in its order, or what decides about a leaf before it, as `made` does."""
    for each in space.rules.order if parents_first else space.variables:
        under = f"{condition};{prefix}{each.when}" if each.when else condition
        yield from _leaves(each, prefix + each.name, under, parents_first=parents_first)


def found(space: Space, values: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the leaves that a configuration has, by key."""
    for each in space.variables:
        if each.name in values:
            key, value = prefix + each.name, values[each.name]
            if isinstance(each, HybridVariable):
                yield f"{key}.choice", value["choice"]
                yield f"{key}.{each.choice.index(value['choice'])}", value["number"]
            elif isinstance(each, GroupVariable):
                yield from found(each.inner, value, f"{key}.")
            elif isinstance(each, ConditionalVariable):
                yield _branch(each, space.rules.active(each, values), key), value
            elif not isinstance(each, ComputedVariable):
                yield key, value


def made(space: Space, take: Take, prefix: str = "") -> dict[str, Json]:
    """Return the configuration whose leaves are what `take` gives for their keys; constraints are not looked at.

    A computed variable that has no value is left out.
    """
    values: dict[str, Json] = {}
    for each in space.rules.order:
        active = space.rules.active(each, values)
        if isinstance(active, ComputedVariable):
            try:
                values[each.name] = space.rules.computed(each.name, values)
            except Fault:
                continue
        elif active is not None:
            values[each.name] = _value(each, active, take, prefix + each.name)
    return space.ordered(values)


def _leaves(variable: Declared, key: str, condition: str, *, parents_first: bool) -> Iterator[Leaf]:
    if isinstance(variable, HybridVariable):
        yield Leaf(f"{key}.choice", variable.choice, condition)
        for index, branch in enumerate(variable.branches):
            yield Leaf(f"{key}.{index}", branch.range, f"{condition};{key}.{index}")
    elif isinstance(variable, GroupVariable):
        yield from leaves(variable.inner, f"{key}.", condition, parents_first=parents_first)
    elif isinstance(variable, ConditionalVariable):
        for field, each in variable.branches.items():
            yield Leaf(f"{key}.{field}", each, f"{condition};{key}.{field}")
    elif not isinstance(variable, ComputedVariable):
        yield Leaf(key, variable, condition)


def _value(variable: Declared, active: Active, take: Take, key: str) -> Json:
    if isinstance(active, HybridVariable):
        choice = take(f"{key}.choice")
        return {"choice": choice, "number": take(f"{key}.{active.choice.index(choice)}")}
    if isinstance(active, GroupVariable):
        return made(active.inner, take, f"{key}.")
    return take(_branch(variable, active, key) if isinstance(variable, ConditionalVariable) else key)


def _branch(variable: ConditionalVariable, active: Active | None, key: str) -> str:
    return f"{key}.then" if active is variable.then else f"{key}.otherwise"
