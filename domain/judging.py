"""Values judged by a space: completed and normalised, or every violation."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.constraints import Constraint
from domain.expressions import Expression, Fault
from domain.rules import Rules
from domain.values import Invalid, Json, Violation
from domain.variables import Variable


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
            condition = self.rules.conditions.get(variable.name)
            if condition is None or self._is_active(variable, condition):
                self._accept(variable)
        self.violations.extend(self._broken())

    def _is_active(self, variable: Variable, condition: Expression) -> bool:
        """Tell whether the condition holds; where it cannot be known, a given value is still looked at."""
        name = variable.name
        if condition.names & self.doubtful:
            self.doubtful.add(name)
            return name in self.values
        active = holds(condition, self.accepted)
        if not active and name in self.values:
            message = f"must be absent unless {variable.when}"
            self.violations.append(Violation(f"values.{name}", message, "INACTIVE"))
        return active

    def _accept(self, variable: Variable) -> None:
        try:
            self.accepted[variable.name] = _value(variable, self.values)
        except Invalid as invalid:
            self.doubtful.add(variable.name)
            self.violations.extend(invalid.violations)

    def _broken(self) -> Iterator[Violation]:
        for constraint, expression in self.rules.constraints:
            if not expression.names & self.doubtful:
                try:
                    if not satisfied(expression, self.accepted):
                        yield _violation(constraint, expression, constraint.words(), "CONSTRAINT")
                except Fault as fault:
                    yield _violation(constraint, expression, f"{constraint.words()} ({fault})", "NO_VALUE")


def holds(condition: Expression, values: Mapping[str, Json]) -> bool:
    """Tell whether a condition makes its variable active.

    It does not where it names an inactive variable without asking for presence, or has no value for these values.
    """
    try:
        return condition.applies(values) and bool(condition.run(values))
    except Fault:
        return False


def satisfied(expression: Expression, values: Mapping[str, Json]) -> bool:
    """Tell whether a constraint holds: by itself where it names an inactive variable without asking for it."""
    return not expression.applies(values) or bool(expression.run(values))


def broken(rules: Rules, values: Mapping[str, Json]) -> list[Constraint]:
    """Return the constraints that valid values of the active variables break, or that have no value for them."""
    found = []
    for constraint, expression in rules.constraints:
        try:
            if not satisfied(expression, values):
                found.append(constraint)
        except Fault:
            found.append(constraint)
    return found


def _violation(constraint: Constraint, expression: Expression, message: str, code: str) -> Violation:
    names = tuple(sorted(expression.names))
    path = f"values.{names[0]}" if len(names) == 1 else "values"
    return Violation(path, message, code, constraint.id, names, constraint.suggested_fix)


def _value(variable: Variable, values: Mapping[str, Json]) -> Json:
    path = f"values.{variable.name}"
    if variable.name in values:
        return variable.accept(values[variable.name], path)
    if variable.default is None:
        raise Invalid([Violation(path, "is required: the variable has no default", "REQUIRED")])
    return variable.accept(variable.default, path)
