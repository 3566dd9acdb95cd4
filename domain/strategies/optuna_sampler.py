"""Optuna's estimator, told the space. Importing it imports Optuna: half a second."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from domain.strategies.optuna_rows import Row, Vocabulary

NARROWEST = 0.07
"""How wide a kernel is at least, as a share of a range, for one observation of one variable; of more it narrows.

Optuna's is a share of one in the number of observations: of the three best of thirty trials, which are what a short run
has, each then speaks for a quarter of the range. This one falls as densities of n points in d dimensions are estimated
best, by n to the power of -1 / (d + 4) (Scott, 1992).
"""


class Kernels(_ParzenEstimator):  # type: ignore[misc, unused-ignore]
    """The density of observed values, each as wide as the gap to its neighbours, but not narrower than it may be."""

    def _calculate_numerical_distributions(self, observations: Any, search_space: Any, parameters: Any) -> Any:
        free = parameters._replace(consider_magic_clip=False)
        made: Any = super()._calculate_numerical_distributions(observations, search_space, free)
        least = NARROWEST * max(len(observations), 1) ** (-1 / (len(self._search_space) + 4))
        widths = made.sigma.copy()
        # The last one is the prior's: as wide as the range, on its own scale.
        widths[:-1] = np.maximum(widths[:-1], max(least * widths[-1], _half_step(search_space)))
        return made._replace(sigma=widths)


def _half_step(domain: Any) -> float:
    return 0.0 if domain.step is None or domain.log else domain.step / 2


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
        self._parzen_estimator_cls = Kernels

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
