"""Scalar variables cut down to what a library can say of them, every cut told."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.interchange.parameters import MOST_VALUES
from domain.interchange.report import Report
from domain.module_variables import ModuleVariable
from domain.notes import NOTHING
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable
from domain.values import Invalid


@dataclass(frozen=True)
class Abilities:
    """What a library's parameters can say beside a range or a list of choices."""

    steps: bool = False
    normal: bool = False
    weights: bool = False
    order: bool = False
    description: bool = False
    default: bool = False
    single: bool = True
    """Whether a range may have one value only."""


def fitted(variable: Variable, name: str, able: Abilities, report: Report) -> Variable:
    """Return a variable of that name, of which the library can say everything; `report` tells the difference."""
    made: Variable = replace(variable, name=name, when="")
    if made.notes != NOTHING:
        report.lost(name, "has hints or metadata")
        made = replace(made, notes=NOTHING)
    if made.description and not able.description:
        report.lost(name, "has a description")
        made = replace(made, description="")
    made = _KINDS[type(made)](made, able, report)
    if made.default is not None and not able.default:
        report.lost(name, "has a default")
        made = replace(made, default=None)
    return made


def _module(variable: ModuleVariable, able: Abilities, report: Report) -> Variable:
    report.rewritten(variable.name, "is a module: becomes a choice of component ids")
    plain = ChoiceVariable(variable.name, variable.choices, default=variable.default, description=variable.description)
    return _choice(plain, able, report)


def _choice(variable: ChoiceVariable, able: Abilities, report: Report) -> Variable:
    name = variable.name
    if variable.allow_custom:
        report.lost(name, "allows custom values")
        variable = replace(variable, allow_custom=False, default=_listed_default(variable, report))
    if variable.weights and not able.weights:
        report.lost(name, "has weights: its choices are alike")
        variable = replace(variable, weights=())
    if variable.ordered and (variable.weights or not able.order):
        report.lost(name, "has an order: its choices have none")
        variable = replace(variable, ordered=False)
    if len(variable.choices) == 1 and not able.single:
        alone = replace(variable, default=None, weights=(), ordered=False)
        if alone != variable:
            report.rewritten(name, "is a constant: says no more than its one value")
        return alone
    are_booleans = variable.choices == (False, True) and isinstance(variable.choices[0], bool)
    if are_booleans and isinstance(variable.choices[1], bool) and not variable.weights and not variable.ordered:
        report.rewritten(name, "is a choice of false and true: becomes a boolean")
        return BooleanVariable(name, variable.default, variable.description)
    return variable


def _listed_default(variable: ChoiceVariable, report: Report) -> object:
    try:
        variable.index(variable.default)
    except KeyError:
        report.lost(variable.name, "has a default that is not listed")
        return None
    except Invalid:
        return None
    return variable.default


def _integer(variable: IntegerVariable, able: Abilities, report: Report) -> Variable:
    name = variable.name
    if variable.power_of_two or (variable.cardinality == 1 and not able.single):
        return _listed(variable, able, report)
    if variable.step != 1 and not (able.steps and not variable.log):
        if variable.cardinality <= MOST_VALUES and not variable.log:
            return _listed(variable, able, report)
        report.lost(name, f"has a step of {variable.step}: its numbers are rounded on the way back")
        return replace(variable, step=1)
    last = variable.at(variable.cardinality - 1)
    if last != variable.high:
        report.rewritten(name, f"ends at {last}, its last value")
    return replace(variable, high=last)


def _float(variable: FloatVariable, able: Abilities, report: Report) -> Variable:
    name, count = variable.name, variable.cardinality
    if count == 1 and not able.single:
        return _listed(variable, able, report)
    if variable.normal is not None and not able.normal:
        report.lost(name, "is normally distributed: it is drawn evenly")
        variable = replace(variable, normal=None)
    if variable.step is None or count is None:
        return variable
    variable = replace(variable, default=_on_grid(variable, report))
    if not able.steps or variable.log or variable.normal is not None:
        if count <= MOST_VALUES and not variable.log:
            return _listed(variable, able, report)
        report.lost(name, f"has a step of {variable.step}: its numbers are rounded on the way back")
        return replace(variable, step=None)
    return variable


def _on_grid(variable: FloatVariable, report: Report) -> float | None:
    if variable.default is None or (snapped := variable.accept(variable.default, variable.name)) == variable.default:
        return variable.default
    report.rewritten(variable.name, f"has its default on the grid: {snapped}")
    return snapped


def _listed(variable: IntegerVariable | FloatVariable, able: Abilities, report: Report) -> Variable:
    report.rewritten(variable.name, "becomes a choice of its values")
    values = tuple(variable.at(index) if variable.step else variable.low for index in range(variable.cardinality or 1))
    default = variable.default if variable.default in values else None
    ordered = able.order and len(values) > 1
    default = default if len(values) > 1 or able.single else None
    return ChoiceVariable(
        variable.name,
        tuple(int(each) if float(each).is_integer() else each for each in values),
        default=default,
        description=variable.description,
        ordered=ordered,
    )


_KINDS: dict[type, Callable[..., Variable]] = {
    BooleanVariable: lambda variable, able, report: variable,
    ChoiceVariable: _choice,
    ModuleVariable: _module,
    IntegerVariable: _integer,
    FloatVariable: _float,
}
