"""Optuna's estimator, told the space. Importing it imports Optuna: half a second."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler

from domain.space import Space

Free = Mapping[str, BaseDistribution]


class KnownSpaceSampler(TPESampler):  # type: ignore[misc, unused-ignore]
    """The estimator for rows of a known space.

    Optuna's own compares the distributions of all trials at the first suggestion, and learns only from trials that
    have every variable. Here variables under one condition are drawn together, by the trials that have them.
    """

    def __init__(self, space: Space, free: Free, **options: Any) -> None:
        super().__init__(multivariate=True, constant_liar=True, **options)
        self._groups = _groups(space, free)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """Return every variable that has more than one value."""
        return {name: distribution for group in self._groups for name, distribution in group.items()}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        """Draws each group, the unconditional one first."""
        drawn: dict[str, Any] = {}
        for group in self._groups:
            drawn |= super().sample_relative(study, trial, group)
        return drawn


def _groups(space: Space, free: Free) -> list[dict[str, BaseDistribution]]:
    # By name, as Optuna orders them: draws depend on the order.
    varied = sorted((each.when, each.name) for each in space.variables if not free[each.name].single())
    return [{name: free[name] for _, name in group} for _, group in groupby(varied, key=lambda each: each[0])]
