"""Optuna's estimator, told the space. Importing it imports Optuna: half a second."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler

from domain.strategies.optuna_rows import Row, Vocabulary


class KnownSpaceSampler(TPESampler):  # type: ignore[misc, unused-ignore]
    """The estimator for rows of a known space.

    Optuna's own compares the distributions of all trials at the first suggestion, and learns only from trials that
    have every variable. Here variables under one condition are drawn together, by the trials that have them; in
    smaller groups where trials have some of these and not others, as they have in a space that grows.
    """

    def __init__(self, words: Vocabulary, rows: Sequence[Row], **options: Any) -> None:
        super().__init__(multivariate=True, constant_liar=True, **options)
        self._groups = _groups(words)
        for names in sorted({row.names for row in rows}, key=sorted):
            self._groups = [part for group in self._groups for part in _parted(group, names)]
        self._free = words.free

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """Return every variable that has more than one value."""
        return {name: distribution for group in self._groups for name, distribution in group.items()}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Draws each group, the unconditional one first."""
        drawn: dict[str, Any] = {}
        for group in self._groups:
            drawn |= super().sample_relative(study, trial, group)
        return drawn

    def _get_internal_repr(self, trials: Any, search_space: Any, study: Any) -> dict[str, Any]:
        """Return the parameters of the trials that have all of these, as arrays; rows know theirs already."""
        wanted = search_space.keys()
        found = [values for trial in trials if wanted <= (values := self._internal(trial, study)).keys()]
        return {name: np.array([values[name] for values in found]) for name in search_space}

    def _internal(self, trial: Any, study: Any) -> dict[str, float]:
        if isinstance(trial, Row):
            return trial.internal  # type: ignore[no-any-return, unused-ignore]
        params = self._get_params(trial, study)
        return {name: self._free[name].to_internal_repr(value) for name, value in params.items()}


def _parted(group: dict[str, BaseDistribution], names: frozenset[str]) -> Iterator[dict[str, BaseDistribution]]:
    """Yields what trials of these names have of a group, and what they have not."""
    for has in (True, False):
        if part := {name: each for name, each in group.items() if (name in names) is has}:
            yield part


def _groups(words: Vocabulary) -> list[dict[str, BaseDistribution]]:
    # By name, as Optuna orders them: draws depend on the order.
    varied = [each for each in words.leaves if not words.free[each.key].single()]
    varied.sort(key=attrgetter("condition", "key"))
    return [{each.key: words.free[each.key] for each in group} for _, group in groupby(varied, attrgetter("condition"))]
