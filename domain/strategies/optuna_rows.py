"""Our variables and trials as Optuna's distributions and trials. Importing it imports Optuna: half a second."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from domain.leaves import found, leaves, made
from domain.objectives import Objective, goals
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Space, Variable
from domain.strategies.history import MOST
from domain.strategies.strategy import Observation
from domain.values import Json

_SOME_TIME = datetime(2000, 1, 1)  # Optuna wants times of its trials and makes no use of them
# Numbers order the trials of a study, and must not be those that it gives to what is asked of it: from 0.
_BEFORE, _AFTER = -(2**50), -(2**40)


class Vocabulary:
    """A space in Optuna's words: a flat set of named parameters, one for each leaf."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.leaves = [replace(each, variable=_closed(each.variable)) for each in leaves(space)]
        self.free = {each.key: _distribution(each.variable) for each in self.leaves}
        self._variables = {each.key: each.variable for each in self.leaves}
        self._encoders = {each.key: _encoder(each.variable) for each in self.leaves}
        self._is_plain = self._variables.keys() == set(space.names)

    def params(self, values: Mapping[str, Json]) -> dict[str, Any] | None:
        """Return a configuration's parameters, only those it has; None if Optuna has no words for it."""
        encoders = self._encoders
        try:
            return {key: encoders[key](value) for key, value in self._found(values)}
        except KeyError:  # a custom choice that somebody else made
            return None

    def _found(self, values: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
        # A thousand rows are read at every suggestion, mostly of scalars only.
        return values.items() if self._is_plain else found(self.space, values)

    def configuration(self, params: Mapping[str, Any]) -> dict[str, Json]:
        """Return what parameters for all leaves stand for; constraints are not looked at."""

        def take(key: str) -> Json:
            variable = self._variables[key]
            return variable.accept(_decoded(variable, params[key]), key)

        return made(self.space, take)


class Phrasebook:
    """The trials of one run in Optuna's words: what was said once is remembered, at most twice a bounded history."""

    def __init__(self, space: Space, objectives: Sequence[Objective]) -> None:
        self.words = Vocabulary(space)
        self.objectives, self.goals = objectives, goals(objectives)
        self._known: dict[int, tuple[Observation, Row | None]] = {}

    def finished(self, history: Sequence[Observation]) -> list["Row"]:
        """Return scored trials as complete ones, in this order; one that Optuna has no words for is left out."""
        said = [self._said(each) for each in history]
        if len(self._known) > 2 * len(history) + MOST:
            self._known = {each.number: self._known[each.number] for each in history}
        return [row for row in said if row is not None]

    def pending(self, pending: Sequence[Mapping[str, Json]]) -> list["Row"]:
        """Return trials that run, behind every finished one."""
        said = [self.words.params(values) for values in pending]
        return [
            _row(_AFTER + place, params, self.words.free, None)
            for place, params in enumerate(said)
            if params is not None
        ]

    def _said(self, trial: Observation) -> "Row | None":
        known = self._known.get(trial.number)
        if known is None or known[0] is not trial:
            known = self._known[trial.number] = trial, self._complete(trial)
        return known[1]

    def _complete(self, trial: Observation) -> "Row | None":
        if (params := self.words.params(trial.values)) is None:
            return None
        reached = trial.objectives or {}
        row = _row(_BEFORE + trial.number, params, self.words.free, [reached[each.name] for each in self.goals])
        for each in self.objectives:
            if each.threshold is not None:
                row.set_constraint(each.name, each.excess(reached[each.name]))
        return row


class Row(FrozenTrial):  # type: ignore[misc, unused-ignore]
    """A trial that was told, and does not change any more."""

    @cached_property
    def internal(self) -> dict[str, float]:
        """Its parameters as the estimator takes them."""
        return {name: self.distributions[name].to_internal_repr(value) for name, value in self.params.items()}

    @cached_property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state is TrialState.RUNNING  # type: ignore[no-any-return, unused-ignore]

    @cached_property
    def constraints(self) -> dict[str, float]:
        """What it is beyond each threshold: Optuna asks every trial at every suggestion."""
        return dict(super().constraints)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the parameters that it has."""
        return frozenset(self.params)

    def _validate(self) -> None:
        """Do nothing: rows are made of validated values, and checking a thousand again takes as long as adding them."""


def _row(number: int, params: dict[str, Any], free: dict[str, BaseDistribution], values: list[float] | None) -> Row:
    return Row(
        number=number,
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


def _closed(variable: Variable) -> Variable:
    """Return the variable with a custom default listed: it is tried, so it may turn out best."""
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
