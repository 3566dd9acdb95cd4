"""Values judged by a space: completed and normalised, or every violation."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from domain.constraints import Constraint
from domain.expressions import Expression, Fault
from domain.prompt_variables import PromptVariable
from domain.rules import Active, Rules
from domain.structured_variables import ComputedVariable, ConditionalVariable, Declared, GroupVariable
from domain.values import Invalid, Json, Violation, canonical_json, is_finite, normalise, shown

_NONE: frozenset[str] = frozenset()


class Judgement:
    """One look at values: goes through the variables, parents first, then through the constraints."""

    def __init__(self, rules: Rules, values: Mapping[Any, Json]) -> None:
        self.rules = rules
        self.values = values
        self.accepted: dict[str, Json] = {}
        self.violations: list[Violation] = []
        self.doubtful: set[str] = set()
        """Variables whose value or activity is not known, so that what depends on them is not judged."""

    def judge(self) -> None:
        """Fill `accepted` and `violations`."""
        for variable in self.rules.order:
            if self.rules.parents.get(variable.name, _NONE) & self.doubtful:
                self._doubt(variable)
            elif (active := self.rules.active(variable, self.accepted)) is None:
                self._absent(variable)
            elif isinstance(active, ComputedVariable):
                self._compute(active.name)
            else:
                self._accept(active)
        self.violations.extend(self._broken())

    def _doubt(self, variable: Declared) -> None:
        """Look at the value of a variable that may not be active; nothing is missed if there is none."""
        self.doubtful.add(variable.name)
        if variable.name in self.values and not isinstance(variable, ComputedVariable | ConditionalVariable):
            self._accept(variable)

    def _absent(self, variable: Declared) -> None:
        if variable.name in self.values:
            message = f"must be absent: it is inactive {self._unless(variable)}"
            self.violations.append(Violation(f"values.{variable.name}", message, "INACTIVE"))

    def _unless(self, variable: Declared) -> str:
        slots = self.rules.slots
        if slots is not None and isinstance(variable, PromptVariable) and variable.slot not in slots:
            return f"in a program without the slot {variable.slot}"
        if variable.when:
            return f"unless {variable.when}"
        if isinstance(variable, ConditionalVariable):
            return f"unless {variable.condition}"
        return "as long as what it is computed from is"

    def _accept(self, variable: Active) -> None:
        try:
            self.accepted[variable.name] = _value(variable, self.values)
        except Invalid as invalid:
            self.doubtful.add(variable.name)
            self.violations.extend(invalid.violations)

    def _compute(self, name: str) -> None:
        """Fill in a computed value; one that is given must be the same."""
        path = f"values.{name}"
        try:
            value = self.rules.computed(name, self.accepted)
            if name in self.values and not _same(self.values[name], value):
                message = f"is computed: must be absent or {shown(value)}, not {shown(self.values[name])}"
                self.violations.append(Violation(path, message, "COMPUTED"))
            self.accepted[name] = value
        except Fault as fault:
            self.doubtful.add(name)
            self.violations.append(Violation(path, f"cannot be computed: {fault}", "NO_VALUE"))

    def _broken(self) -> Iterator[Violation]:
        for constraint, expression in self.rules.constraints:
            if expression.names & self.doubtful or not expression.applies(self.accepted):
                continue
            try:
                if not expression.run(self.accepted):
                    yield _violation(constraint, expression, constraint.words(), "CONSTRAINT")
            except Fault as fault:
                yield _violation(constraint, expression, f"{constraint.words()} ({fault})", "NO_VALUE")


def broken(rules: Rules, values: Mapping[str, Json]) -> list[str]:
    """Return what valid values of the active variables break: constraints, and computed variables without a value."""
    return [name for name, _ in rules.broken(values)]


def _violation(constraint: Constraint, expression: Expression, message: str, code: str) -> Violation:
    names = tuple(sorted(expression.names))
    path = f"values.{names[0]}" if len(names) == 1 else "values"
    return Violation(path, message, code, constraint.id, names, constraint.suggested_fix)


def _value(variable: Active, values: Mapping[str, Json]) -> Json:
    path = f"values.{variable.name}"
    if variable.name in values:
        return variable.accept(values[variable.name], path)
    if variable.default is None and isinstance(variable, GroupVariable):
        return variable.accept({}, path)
    if variable.default is None:
        raise Invalid([Violation(path, "is required: the variable has no default", "REQUIRED")])
    return variable.accept(variable.default, path)


def _same(given: Json, value: Json) -> bool:
    """Tell whether a value that is given is the computed one; logarithms of other machines may differ a little."""
    if is_finite(given) and is_finite(value):
        return math.isclose(given, value, rel_tol=1e-9)
    try:
        return canonical_json(normalise(given)) == canonical_json(value)
    except Invalid:
        return False
