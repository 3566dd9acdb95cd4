"""Our variables and trials as Optuna's distributions and trials. Importing it imports Optuna: half a second."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from domain.objectives import Objective
from domain.space import BooleanVariable, ChoiceVariable, Declared, FloatVariable, IntegerVariable, Space, Variable
from domain.strategies.strategy import Observation
from domain.structured_variables import scalar
from domain.values import Json

_SOME_TIME = datetime(2000, 1, 1)  # Optuna wants times of its trials and makes no use of them


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the variables' distributions by name."""
    return {variable.name: _distribution(_closed(variable)) for variable in space.variables}


def rows(
    space: Space,
    free: dict[str, BaseDistribution],
    objectives: Sequence[Objective],
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, Json]],
) -> list[FrozenTrial]:
    """Return the scored trials as complete and the pending ones as running, in this order.

    Inactive variables are absent. A trial that Optuna has no words for is left out: one with a custom choice.
    """
    encoders = [(variable.name, _encoder(_closed(variable))) for variable in space.variables]

    def encoded(values: Mapping[str, Json]) -> dict[str, Any] | None:
        try:
            return {name: encode(values[name]) for name, encode in encoders if name in values}
        except KeyError:
            return None

    complete = [(encoded(each.values), each.objectives or {}) for each in history]
    running = [encoded(values) for values in pending]
    return [
        *(_complete(params, free, reached, objectives) for params, reached in complete if params is not None),
        *(_row(params, free, None) for params in running if params is not None),
    ]


def _complete(
    params: dict[str, Any],
    free: dict[str, BaseDistribution],
    reached: Mapping[str, float],
    objectives: Sequence[Objective],
) -> FrozenTrial:
    row = _row(params, free, [reached[each.name] for each in objectives])
    for each in objectives:
        if each.threshold is not None:
            row.set_constraint(each.name, each.excess(reached[each.name]))
    return row


def configuration(space: Space, params: Mapping[str, Any]) -> dict[str, Json]:
    """Return the active values that Optuna's parameters stand for; constraints are not looked at."""
    values: dict[str, Json] = {}
    for each in space.rules.order:
        if space.is_active(each.name, values):
            values[each.name] = each.accept(_decoded(_closed(each), params[each.name]), each.name)
    return space.ordered(values)


class _Row(FrozenTrial):  # type: ignore[misc, unused-ignore]
    """A trial that nobody else holds, so that the study may take it as it is.

    Optuna's storage copies every row deeply, which takes longer than all the rest of a suggestion.
    """

    def __deepcopy__(self, memo: Any) -> "_Row":
        return self

    def _validate(self) -> None:
        """Do nothing: rows are made of validated values, and checking a thousand again takes as long as adding them."""


def _row(params: dict[str, Any], free: dict[str, BaseDistribution], values: list[float] | None) -> FrozenTrial:
    return _Row(
        number=-1,  # the study numbers it
        trial_id=-1,
        state=TrialState.RUNNING if values is None else TrialState.COMPLETE,
        value=None,
        values=values,
        datetime_start=_SOME_TIME,
        datetime_complete=None if values is None else _SOME_TIME,
        params=params,
        distributions=free,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _closed(declared: Declared) -> Variable:
    """Return the variable with a custom default listed: it is tried, so it may turn out best."""
    variable = scalar(declared)
    if not isinstance(variable, ChoiceVariable) or variable.default is None:
        return variable
    try:
        variable.index(variable.default)
    except KeyError:
        return replace(variable, choices=(*variable.choices, variable.default), ordered=False)
    return variable


def _distribution(variable: Variable) -> BaseDistribution:
    """Return a numbered domain wherever there are finitely many values: Optuna would merge 1 and true."""
    places = variable.cardinality or 1
    if isinstance(variable, ChoiceVariable | BooleanVariable):
        ordered = isinstance(variable, ChoiceVariable) and variable.ordered
        return IntDistribution(0, places - 1) if ordered else CategoricalDistribution(tuple(range(places)))
    if _is_numbered(variable):
        return IntDistribution(0, places - 1)
    if isinstance(variable, IntegerVariable):
        return IntDistribution(variable.low, variable.high, log=True)
    return FloatDistribution(variable.low, variable.high, log=variable.log)


def _is_numbered(variable: Variable) -> bool:
    if isinstance(variable, FloatVariable):
        return variable.cardinality is not None and not variable.log
    return not (isinstance(variable, IntegerVariable) and variable.log)


def _encoder(variable: Variable) -> Callable[[Any], Any]:
    """Return what turns a value into Optuna's parameter."""
    if isinstance(variable, ChoiceVariable):
        return _remembered(variable.index)
    if _is_numbered(variable):
        return variable.index
    # Rows that came through JSON may hold 3.0 for 3, and 1 for 1.0.
    return int if isinstance(variable, IntegerVariable) else float


def _remembered(index: Callable[[Any], int]) -> Callable[[Any], int]:
    """Return the same function, faster: a choice occurs in many rows."""
    known: dict[tuple[type, Any], int] = {}  # by type as well, because 1 and true are the same key

    def remembering(value: Any) -> int:
        key = type(value), value
        if key not in known:
            known[key] = index(value)
        return known[key]

    return remembering


def _decoded(variable: Variable, param: Any) -> Json:
    if _is_numbered(variable):
        return variable.at(param)
    # A logarithmic range with a step: Optuna knows none, so its answer goes to the nearest value.
    return variable.at(variable.index(param)) if isinstance(variable, IntegerVariable) else param
