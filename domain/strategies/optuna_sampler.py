"""Optuna's estimator, told the space. Importing it imports Optuna: half a second."""

from itertools import groupby
from operator import attrgetter
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler

from domain.strategies.optuna_rows import Vocabulary


class KnownSpaceSampler(TPESampler):  # type: ignore[misc, unused-ignore]
    """The estimator for rows of a known space.

    Optuna's own compares the distributions of all trials at the first suggestion, and learns only from trials that
    have every variable. Here variables under one condition are drawn together, by the trials that have them.
    """

    def __init__(self, words: Vocabulary, **options: Any) -> None:
        super().__init__(multivariate=True, constant_liar=True, **options)
        self._groups = _groups(words)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """Return every variable that has more than one value."""
        return {name: distribution for group in self._groups for name, distribution in group.items()}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Draws each group, the unconditional one first."""
        drawn: dict[str, Any] = {}
        for group in self._groups:
            drawn |= super().sample_relative(study, trial, group)
        return drawn


def _groups(words: Vocabulary) -> list[dict[str, BaseDistribution]]:
    # By name, as Optuna orders them: draws depend on the order.
    varied = [each for each in words.leaves if not words.free[each.key].single()]
    varied.sort(key=attrgetter("condition", "key"))
    return [{each.key: words.free[each.key] for each in group} for _, group in groupby(varied, attrgetter("condition"))]
