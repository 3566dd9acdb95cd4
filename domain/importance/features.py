"""Trials as a table of bins: one column a leaf of the space, in which equal shares of its draws are equal bins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.leaves import found, leaves
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Space, Variable
from domain.values import Json

BINS = 32
"""How many bins a variable has at most; one more is for trials in which it is inactive."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One leaf: its key and variable, each trial's bin (`bins` where it is inactive), and whether bins are ordered."""

    key: str
    variable: Variable
    bins: int
    codes: NDArray[np.int32]
    ordered: bool

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which trials have it."""
        return self.codes < self.bins

    def value(self, code: int) -> Json:
        """Return the value in the middle of a bin: the choice, the number."""
        return _value(self.variable, code, self.bins)


def columns(space: Space, configurations: Sequence[Mapping[str, Json]]) -> list[Column]:
    """Return the leaves of the space that have more than one value, with the bins of each configuration."""
    rows = [dict(found(space, values)) for values in configurations]
    return list(_columns(space, rows))


def _columns(space: Space, rows: Sequence[Mapping[str, Json]]) -> Iterator[Column]:
    for leaf in leaves(space):
        count = leaf.variable.cardinality
        bins = BINS if count is None else min(count, BINS)
        if isinstance(leaf.variable, ChoiceVariable) and leaf.variable.allow_custom:
            bins += 1  # whatever is not listed
        if bins > 1:
            codes = [_code(leaf.variable, row[leaf.key], bins) if leaf.key in row else bins for row in rows]
            yield Column(leaf.key, leaf.variable, bins, np.array(codes, dtype=np.int32), _is_ordered(leaf.variable))


def _is_ordered(variable: Variable) -> bool:
    return isinstance(variable, FloatVariable | IntegerVariable) or (
        isinstance(variable, ChoiceVariable) and variable.ordered and not variable.allow_custom
    )


def _code(variable: Variable, value: Json, bins: int) -> int:
    if isinstance(variable, ChoiceVariable):
        listed = bins - variable.allow_custom
        try:
            return variable.index(value) * listed // variable.cardinality
        except KeyError:
            return bins - 1
    if isinstance(variable, BooleanVariable):
        return int(value)
    count = variable.cardinality
    if count is not None and not variable.log:
        return variable.index(value) * bins // count
    low, high = (np.log(variable.low), np.log(variable.high)) if variable.log else (variable.low, variable.high)
    place = ((np.log(value) if variable.log else value) - low) / (high - low)
    return min(max(int(place * bins), 0), bins - 1)


def _value(variable: Variable, code: int, bins: int) -> Json:
    if isinstance(variable, ChoiceVariable):
        listed = bins - variable.allow_custom
        return variable.at(-(-code * variable.cardinality // listed)) if code < listed else None
    if isinstance(variable, BooleanVariable):
        return bool(code)
    place, count = (code + 0.5) / bins, variable.cardinality
    if count is not None and not variable.log:
        return variable.at(min(int(place * count), count - 1))
    low, high = (np.log(variable.low), np.log(variable.high)) if variable.log else (variable.low, variable.high)
    middle = low * (1 - place) + high * place
    number = float(np.exp(middle) if variable.log else middle)
    if isinstance(variable, IntegerVariable):
        return variable.at(variable.index(number))
    return variable.accept(min(max(number, variable.low), variable.high), variable.name)
