"""Configurations as points of a unit cube, and back: what a smooth model can measure distances in."""

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from domain.leaves import found, leaves, made
from domain.space import ChoiceVariable, FloatVariable, IntegerVariable, Space, Variable
from domain.values import Json

Row = NDArray[np.float64]

FINE = 32
"""An integer or a grid of at least as many values is moved along as if it were continuous, and rounded."""

ABSENT = 0.5
"""Where an inactive number lies: what decides about it says that it is absent."""


class Encoding:
    """One column for each number, ordered choice and boolean; one for each choice without an order.

    Two different choices are as far apart as the ends of a range. Columns of one choice share a group, so that a
    model has one length scale for each leaf. Numbers of `fine` values and more may be moved along.
    """

    def __init__(self, space: Space, fine: int = FINE) -> None:
        self.space = space
        varied = [each for each in leaves(space) if each.variable.cardinality != 1]
        self.variables = {each.key: each.variable for each in varied}
        self.places: dict[str, int] = {}
        groups: list[int] = []
        for group, (key, variable) in enumerate(self.variables.items()):
            self.places[key] = len(groups)
            groups += [group] * _width(variable)
        self.groups = np.array(groups, dtype=np.intp)
        self.fine = [key for key, each in self.variables.items() if _is_fine(each, fine)]

    @cached_property
    def movable(self) -> NDArray[np.intp]:
        """The columns of the numbers that may be moved along continuously."""
        return np.array([self.places[key] for key in self.fine], dtype=np.intp)

    def row(self, values: Mapping[str, Json]) -> Row | None:
        """Return the point of a configuration; None if it has a custom choice that no column stands for."""
        row = np.full(len(self.groups), ABSENT)
        for key, variable in self.variables.items():
            if _width(variable) > 1:
                row[self.places[key] : self.places[key] + _width(variable)] = 0.0
        try:
            for key, value in found(self.space, values):
                if key in self.variables:
                    self._write(row, key, value)
        except KeyError:
            return None
        return row

    def _write(self, row: Row, key: str, value: Json) -> None:
        variable, place = self.variables[key], self.places[key]
        if _width(variable) > 1:
            assert isinstance(variable, ChoiceVariable)
            row[place + variable.index(value)] = math.sqrt(0.5)
        else:
            row[place] = _coordinate(variable, value)

    def moved(self, values: Mapping[str, Json], row: Row) -> dict[str, Json] | None:
        """Return a configuration whose fine numbers are at a point's places; None if others become active by that."""
        chosen = dict(found(self.space, values))

        def take(key: str) -> Json:
            if key not in self.fine:
                return chosen[key]
            return _number(self.variables[key], float(row[self.places[key]]))

        try:
            return made(self.space, take)
        except KeyError:
            return None


def _width(variable: Variable) -> int:
    if isinstance(variable, ChoiceVariable) and not variable.ordered and variable.cardinality > 2:
        return variable.cardinality
    return 1


def _is_fine(variable: Variable, values: int) -> bool:
    if not isinstance(variable, FloatVariable | IntegerVariable):
        return False
    return variable.cardinality is None or variable.cardinality >= values


def _coordinate(variable: Variable, value: Json) -> float:
    if isinstance(variable, FloatVariable | IntegerVariable):
        low, high = _ends(variable)
        return ((math.log(value) if variable.log else value) - low) / (high - low)
    return variable.index(value) / (variable.cardinality - 1)


def _number(variable: Variable, place: float) -> Json:
    assert isinstance(variable, FloatVariable | IntegerVariable)
    low, high = _ends(variable)
    value = low + (high - low) * place
    value = min(max(math.exp(value) if variable.log else value, variable.low), variable.high)
    if isinstance(variable, IntegerVariable):
        return variable.at(variable.index(round(value)))
    return variable.accept(value, variable.name)


def _ends(variable: FloatVariable | IntegerVariable) -> tuple[float, float]:
    if variable.log:
        return math.log(variable.low), math.log(variable.high)
    return float(variable.low), float(variable.high)
