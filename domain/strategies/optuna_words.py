"""Our variables as Optuna's distributions, configurations in its words. Importing it imports Optuna: half a second."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from domain.leaves import found, leaves, made
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Space, Variable
from domain.values import Json

Line = NDArray[np.float64]


class Vocabulary:
    """A space in Optuna's words: a flat set of named parameters, one for each leaf."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.leaves = [replace(each, variable=_closed(each.variable)) for each in leaves(space)]
        self.free = {each.key: _distribution(each.variable) for each in self.leaves}
        self.column = {key: place for place, key in enumerate(self.free)}
        self._variables = {each.key: each.variable for each in self.leaves}
        self._encoders = {each.key: _encoder(each.variable) for each in self.leaves}

    def line(self, values: Mapping[str, Json]) -> Line | None:
        """Return a configuration as the estimator takes it, by `column`; None if Optuna has no words for it."""
        try:
            params = {key: self._encoders[key](value) for key, value in found(self.space, values)}
        except KeyError:  # a custom choice that somebody else made
            return None
        return self.written(params)

    def written(self, params: Mapping[str, Any]) -> Line:
        """Return parameters as the estimator takes them: nan where there is none."""
        line = np.full(len(self.column), np.nan)
        for key, param in params.items():
            line[self.column[key]] = self.free[key].to_internal_repr(param)
        return line

    def configuration(self, params: Mapping[str, Any]) -> dict[str, Json]:
        """Return what parameters for all leaves stand for; constraints are not looked at."""

        def take(key: str) -> Json:
            variable = self._variables[key]
            return variable.accept(_decoded(variable, params[key]), key)

        return made(self.space, take)


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
