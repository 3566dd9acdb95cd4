"""A space as other libraries know spaces: a flat list of scalar parameters, some of them under conditions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from domain.expressions import BOOLEAN, Expression, Node, parse
from domain.expressions.parsing import LONGEST
from domain.interchange.report import Report
from domain.notes import NOTHING
from domain.prompt_variables import PromptVariable
from domain.space import (
    ComputedVariable,
    ConditionalVariable,
    Declared,
    GroupVariable,
    HybridVariable,
    Space,
    Variable,
)
from domain.structured_variables import scalar
from domain.values import Json, canonical_json

MOST_VALUES = 1000
"""How many values of a parent a condition may be asked about."""

Condition = tuple[str, tuple[Json, ...]]
"""A parent's name, and the values of it that meet the condition."""


@dataclass(frozen=True)
class Parameter:
    """A scalar variable under a name of its own, there while all its conditions are met.

    `key` is where `domain.leaves` finds it; `variable` is as the space has it.
    """

    name: str
    key: str
    variable: Variable
    conditions: tuple[Condition, ...] = ()


def parameters_of(space: Space, report: Report) -> list[Parameter]:
    """Return the parameters of a space, parents before children, and tell what a flat list cannot say."""
    found = _named([each for variable in space.rules.order for each in _flat(variable, space, report, "", ())], report)
    for constraint in space.constraints:
        report.lost(
            f"constraints.{constraint.id}", f"is a rule over values, which does not carry over: {constraint.expression}"
        )
    place = {name: index for index, name in enumerate(space.names)}
    ranked = sorted(found, key=lambda each: place[each.key.split(".")[0]])  # stable: parents stay first within one
    if _is_ordered(ranked):
        return ranked
    report.rewritten("parameters", "come in another order: parents before what depends on them")
    return found


def _named(parameters: Sequence[Parameter], report: Report) -> list[Parameter]:
    """Return parameters, known by their keys so far, under names of their own; the space's variables keep theirs."""
    names = {each.key: each.key for each in parameters if "." not in each.key}
    taken = set(names)
    for key in (each.key for each in parameters if each.key not in names):
        name = plain = key.replace(".", "_")
        for number in count(2):
            if name not in taken:
                break
            name = f"{plain}_{number}"
        if name != plain:
            report.rewritten(plain, f"is called {name}, since there is a {plain} already")
        names[key] = name
        taken.add(name)
    return [
        replace(each, name=names[each.key], conditions=tuple((names[parent], met) for parent, met in each.conditions))
        for each in parameters
    ]


def _is_ordered(parameters: Sequence[Parameter]) -> bool:
    known: set[str] = set()
    for each in parameters:
        if any(parent not in known for parent, _ in each.conditions):
            return False
        known.add(each.name)
    return True


def _structure(variable: Declared, name: str, message: str, report: Report) -> None:
    report.rewritten(name, message)
    if variable.default is not None or variable.description or variable.notes != NOTHING:
        report.lost(name, "has a default, a description, hints or metadata as a whole")


def _flat(
    variable: Declared, space: Space, report: Report, prefix: str, outer: tuple[Condition, ...]
) -> Iterator[Parameter]:
    key = prefix + variable.name
    name = key.replace(".", "_")
    conditions = outer + _conditions(space, variable.name, variable.when, report, prefix)
    if isinstance(variable, ComputedVariable):
        report.lost(name, "is computed from others: it is filled in on the way back")
    elif isinstance(variable, PromptVariable):
        report.lost(name, "is a prompt, whose domain is open: it stays what its default is")
    elif isinstance(variable, HybridVariable):
        _structure(
            variable, name, "is a choice with a number: becomes a choice and a parameter for each number", report
        )
        yield _parameter(f"{key}.choice", variable.choice, conditions)
        for index, branch in enumerate(variable.branches):
            chosen = (f"{key}.choice", (branch.choice,))
            yield _parameter(f"{key}.{index}", branch.range, (*conditions, chosen))
    elif isinstance(variable, GroupVariable):
        _structure(variable, name, "is a group: its members become parameters of their own", report)
        for member in variable.inner.rules.order:
            yield from _flat(member, variable.inner, report, f"{key}.", conditions)
    elif isinstance(variable, ConditionalVariable):
        _structure(variable, name, "is conditional: each of its domains becomes a parameter", report)
        for field, either in variable.branches.items():
            text = variable.condition if field == "then" else f"!({variable.condition})"
            met = _conditions(space, variable.name, text, report, prefix)
            yield _parameter(f"{key}.{field}", either, conditions + met)
    else:
        yield _parameter(key, scalar(variable), conditions)


def _parameter(key: str, variable: Variable, conditions: tuple[Condition, ...]) -> Parameter:
    """Return a parameter that is called like its key, and so are the parents of its conditions."""
    return Parameter(key, key, variable, conditions)


def _conditions(space: Space, name: str, text: str, report: Report, prefix: str) -> tuple[Condition, ...]:
    """Return what a condition asks of single parents; what cannot be said so is lost."""
    if not text:
        return ()
    tree = parse(text)
    found: list[Condition] = []
    for part in tree.parts if tree.kind == "&&" else (tree,):
        met = _met(space, part)
        if met is None:
            report.lost(
                (prefix + name).replace(".", "_"),
                f"has a condition that no list of one parent's values says, and is there without it: {text}",
            )
            return ()
        found.append((prefix + met[0], met[1]))
    if len(found) > len({parent for parent, _ in found}) or condition_text(found) != text:
        report.rewritten((prefix + name).replace(".", "_"), f"has its condition as lists of values: {text}")
    return tuple(found)


def _met(space: Space, part: Node) -> Condition | None:
    """Return the one parent that a condition reads, and the values of it that meet it; None where there is no such."""
    names = part.names()
    parents = [each for each in space.variables if each.name in names]
    if len(parents) != 1 or len(names) != 1 or part.asks_for_presence():
        return None
    parent = parents[0]
    structured = HybridVariable | GroupVariable | ConditionalVariable | ComputedVariable | PromptVariable
    if isinstance(parent, structured) or parent.cardinality is None or parent.cardinality > MOST_VALUES:
        return None
    expression = Expression.of(part, space.rules.scope, BOOLEAN)
    values = (parent.at(index) for index in range(parent.cardinality))
    met = tuple(value for value in values if expression.holds({parent.name: value}))
    return (parent.name, met) if met else None


def condition_text(conditions: Iterable[Condition]) -> str:
    """Return the expression that says conditions in the usual words; of what is too long for one, its beginning."""
    return " && ".join(_at_most(_text(parent, values) for parent, values in conditions))


def _text(parent: str, values: Sequence[Json]) -> str:
    written = list(_at_most(canonical_json(each).decode() for each in values))
    if len(written) == 1:
        return f"{parent} == {written[0]}"
    return f"{parent} in [{', '.join(written)}]"


def _at_most(parts: Iterable[str]) -> Iterator[str]:
    """Yield parts until they are longer than any expression: places in a small file may stand for gigabytes of text."""
    left = LONGEST
    for each in parts:
        yield each[: LONGEST + 1]
        left -= len(each)
        if left < 0:
            return


def defaults_of(space: Space) -> Mapping[str, Json]:
    """Return the defaults of the prompt variables, which no other library chooses, by key."""
    return {each.name: each.default for each in space.variables if isinstance(each, PromptVariable)}
