"""What a space's expressions say, ready to run: conditions in their order, computed values, and constraints."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.constraints import Constraint
from domain.expressions import ANY, BOOLEAN, Expression, Fault, Kind, Node, parse
from domain.expressions.faults import Malformed
from domain.prompt_variables import PromptVariable
from domain.structured_variables import ComputedVariable, ConditionalVariable, Declared, GroupVariable, HybridVariable
from domain.topology import ordered
from domain.values import Invalid, Json, Violation, normalise
from domain.variables import Variable

Active: TypeAlias = Variable | HybridVariable | GroupVariable | ComputedVariable
"""A variable of which it is known which values it takes."""

Values: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True)
class Rules:
    """The variables with every parent before its children, what decides about them, and the constraints.

    `conditions`, `splits` (which branch of a conditional variable) and `derived` (what a computed one is) are by name.
    `scope` says what expressions take each variable for.
    """

    order: tuple[Declared, ...]
    scope: Mapping[str, Kind] = field(default_factory=dict)
    conditions: Mapping[str, Expression] = field(default_factory=dict)
    splits: Mapping[str, Expression] = field(default_factory=dict)
    derived: Mapping[str, Expression] = field(default_factory=dict)
    constraints: tuple[tuple[Constraint, Expression], ...] = ()
    parents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The names that decide about a variable; those about which none decides are not there."""
    slots: frozenset[str] | None = None
    """The slots that the program has; prompt variables of others are inactive. None where that is not known."""

    def active(self, variable: Declared, values: Values) -> Active | None:
        """Return the variable as it is by the values of its parents, None where it is inactive."""
        if self.slots is not None and isinstance(variable, PromptVariable) and variable.slot not in self.slots:
            return None
        condition = self.conditions.get(variable.name)
        if condition is not None and not condition.holds(values):
            return None
        if isinstance(variable, ConditionalVariable):
            return variable.then if self.splits[variable.name].holds(values) else variable.otherwise
        if isinstance(variable, ComputedVariable):
            return variable if self.derived[variable.name].applies(values) else None
        return variable

    def computed(self, name: str, values: Values) -> Json:
        """Return what a computed variable is, whole numbers as integers; raises Fault where it has no value."""
        value = self.derived[name].run(values)
        if isinstance(value, list | dict):
            raise Fault("a computed value is a number, a text, true, false or null")
        try:
            return normalise(value)
        except Invalid as invalid:
            raise Fault(invalid.violations[0].message) from None

    def broken(self, values: Values) -> list[tuple[str, frozenset[str]]]:
        """Return what valid values of the active variables break, and the names that it reads.

        That is: constraints, and computed variables that have no value, also those of groups (`group.name`).
        """
        found = [
            (constraint.id, expression.names)
            for constraint, expression in self.constraints
            if not expression.is_satisfied(values)
        ]
        if self.derived or any(isinstance(each, GroupVariable) for each in self.order):
            found.extend(self._without_value(values))
        return found

    def _without_value(self, values: Values) -> Iterator[tuple[str, frozenset[str]]]:
        for variable in self.order:
            active = self.active(variable, values)
            if isinstance(active, ComputedVariable) and active.name not in values:
                yield active.name, self.derived[active.name].names
            elif isinstance(active, GroupVariable) and active.name in values:
                for name, _ in active.inner.rules.broken(values[active.name]):
                    yield f"{active.name}.{name}", frozenset((active.name,))

    @property
    def may_break(self) -> bool:
        """Whether what is drawn may turn out invalid."""
        groups = (each.inner.rules for each in self.order if isinstance(each, GroupVariable))
        return bool(self.constraints or self.derived) or any(rules.may_break for rules in groups)


def read_rules(
    variables: Mapping[int, Declared],
    constraints: Mapping[int, Constraint],
    unreadable: Collection[str],
    faults: list[Violation],
) -> Rules:
    """Return the rules of variables and constraints given by their places, and add what is wrong with them to `faults`.

    Names of variables that are themselves unreadable are known, but not what they stand for.
    """
    named = {each.name: (index, each) for index, each in variables.items() if isinstance(each.name, str)}
    trees: dict[str, dict[str, Node]] = {}
    for name, (index, variable) in named.items():
        texts = {where: text for where, text in _texts(variable).items() if where != "when" or text}
        trees[name] = _trees(texts, f"variables[{index}].", faults)
    asked = {name: frozenset().union(*(tree.names() for tree in parts.values())) for name, parts in trees.items()}
    paths = {name: f"variables[{index}].{next(iter(trees[name]), 'when')}" for name, (index, _) in named.items()}
    order = ordered({name: names & named.keys() for name, names in asked.items()}, paths, faults)
    scope = dict.fromkeys([*unreadable, *named], ANY)
    kept: dict[str, dict[str, Expression]] = {where: {} for where in _WANTED}
    for name in order:
        index, variable = named[name]
        scope[name] = variable.reads_as
        for where, tree in trees[name].items():
            expression = _compiled(tree, scope, _WANTED[where], f"variables[{index}].{where}", faults)
            if expression is not None:
                kept[where][name] = expression
                scope[name] = expression.kind if where == "computed.expression" else scope[name]
    judged = []
    for index, constraint in constraints.items():
        for tree in _trees({"expression": constraint.expression}, f"constraints[{index}].", faults).values():
            found = _compiled(tree, scope, BOOLEAN, f"constraints[{index}].expression", faults)
            judged += [] if found is None else [(constraint, found)]
    return Rules(
        tuple(named[name][1] for name in order),
        scope,
        kept["when"],
        kept["conditional.condition"],
        kept["computed.expression"],
        tuple(judged),
        {name: names for name, names in asked.items() if names},
    )


_WANTED: dict[str, Kind | None] = {"when": BOOLEAN, "conditional.condition": BOOLEAN, "computed.expression": None}


def _texts(variable: Declared) -> dict[str, str]:
    """Return the expressions of a variable by their fields."""
    if isinstance(variable, ConditionalVariable):
        return {"when": variable.when, "conditional.condition": variable.condition}
    if isinstance(variable, ComputedVariable):
        return {"when": variable.when, "computed.expression": variable.expression}
    return {"when": variable.when}


def _trees(texts: Mapping[str, str], path: str, faults: list[Violation]) -> dict[str, Node]:
    trees: dict[str, Node] = {}
    for where, text in texts.items():
        if isinstance(text, str):  # what is no text is told where the texts are
            try:
                trees[where] = parse(text)
            except Malformed as malformed:
                faults.append(Violation(path + where, str(malformed), malformed.code))
    return trees


def _compiled(
    tree: Node, scope: Mapping[str, Kind], wanted: Kind | None, path: str, faults: list[Violation]
) -> Expression | None:
    try:
        return Expression.of(tree, scope, wanted)
    except Malformed as malformed:
        faults.append(Violation(path, str(malformed), malformed.code))
        return None
