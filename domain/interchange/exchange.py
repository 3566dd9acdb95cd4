"""A space in another library's words, and values of both sides turned into each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domain.constraints import Constraint
from domain.interchange.fitting import Abilities, fitted
from domain.interchange.parameters import Condition, Parameter, defaults_of, parameters_of
from domain.interchange.report import Reading, Remark, Report
from domain.leaves import found, made
from domain.space import BooleanVariable, ChoiceVariable, Space, Variable
from domain.values import Invalid, Json, Violation, canonical_json, is_finite, shown


@dataclass(frozen=True)
class Fitted:
    """A parameter as the library can say it: its variable, the labels of its choices, and when it is there."""

    variable: Variable
    labels: tuple[Json, ...]
    conditions: tuple[Condition, ...]

    def label(self, value: Json) -> Json:
        """Return the label of a value of a choice or a boolean."""
        assert isinstance(self.variable, ChoiceVariable | BooleanVariable)
        return self.labels[self.variable.index(value)]


@dataclass(frozen=True)
class Imported:
    """What a document says: variables with their conditions, and constraints."""

    variables: Sequence[tuple[Variable, str]]
    constraints: Sequence[Constraint] = ()


class Format(Protocol):
    """How one library writes spaces."""

    abilities: Abilities

    def labels(self, choices: Sequence[Json]) -> list[Json]:
        """Return what choices are called there."""

    def written(self, parameters: Sequence[Fitted], report: Report) -> Json:
        """Return the document; tells what it cannot say of conditions."""

    def read(self, document: Reading, report: Report) -> Imported:
        """Return what a document says; what is wrong with it becomes a violation of the reading."""


class Exported:
    """A space in a library's words: the document, what does not carry over, and the values of one as the other's."""

    def __init__(self, space: Space, form: Format) -> None:
        self.space = space
        report = Report()
        parameters = parameters_of(space, report)
        self._fitted = {each.key: _fitted(each, form, report) for each in parameters}
        self._origin = {each.key: each.variable for each in parameters}
        self.document = form.written(list(self._fitted.values()), report)
        self.remarks: tuple[Remark, ...] = tuple(report.remarks)

    def encode(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Return the library's parameters for a configuration of the space; raises KeyError for custom choices."""
        pairs = ((self._fitted[key], value) for key, value in found(self.space, values) if key in self._fitted)
        return {each.variable.name: _encoded(each, value) for each, value in pairs}

    def decode(self, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """Return the configuration that a library's parameters stand for; raises Invalid where they do not fit.

        Parameters of what is inactive are passed over; constraints are not looked at.
        """
        others = defaults_of(self.space)
        return made(self.space, lambda key: self._decoded(key, parameters) if key in self._fitted else others[key])

    def _decoded(self, key: str, parameters: Mapping[str, Json]) -> Json:
        each, origin = self._fitted[key], self._origin[key]
        name = each.variable.name
        if name not in parameters:
            raise Invalid([Violation(f"parameters.{name}", "is required", "REQUIRED")])
        value = parameters[name]
        if isinstance(each.variable, ChoiceVariable | BooleanVariable):
            labels = [canonical_json(label) for label in each.labels]
            try:
                value = each.variable.at(labels.index(canonical_json(value)))
            except (ValueError, Invalid):
                message = f"is none of its choices: {shown(value)}"
                raise Invalid([Violation(f"parameters.{name}", message, "NOT_A_CHOICE")]) from None
        elif not isinstance(origin, ChoiceVariable | BooleanVariable) and origin.cardinality and is_finite(value):
            value = origin.at(origin.index(value))
        return origin.accept(value, f"parameters.{name}")


def imported(document: Json, form: Format) -> tuple[Space, tuple[Remark, ...]]:
    """Return the space that a document describes, and what of it does not carry over; raises Invalid for all faults."""
    report, violations = Report(), list[Violation]()
    read = form.read(Reading(document, "content", violations), report)
    if violations:
        raise Invalid(violations)
    variables = tuple(replace(variable, when=when) for variable, when in read.variables)
    return Space(variables, tuple(read.constraints)), tuple(report.remarks)


def _fitted(parameter: Parameter, form: Format, report: Report) -> Fitted:
    variable = fitted(parameter.variable, parameter.name, form.abilities, report)
    choices: Sequence[Json] = ()
    if isinstance(variable, ChoiceVariable | BooleanVariable):
        choices = [variable.at(index) for index in range(variable.cardinality)]
    return Fitted(variable, tuple(form.labels(choices)), parameter.conditions)


def _encoded(each: Fitted, value: Json) -> Json:
    if isinstance(each.variable, ChoiceVariable | BooleanVariable):
        return each.label(value)
    return value
