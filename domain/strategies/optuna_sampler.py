"""Optuna's estimator, told the space and what was tried in it. Importing it imports Optuna: half a second."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, groupby
from operator import attrgetter
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, _get_single_value
from optuna.samplers import RandomSampler, TPESampler
from optuna.samplers._tpe._truncnorm import _log_gauss_mass
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import (
    _BatchedTruncLogNormDistributions,
    _BatchedTruncNormDistributions,
)
from optuna.samplers._tpe.sampler import _split_trials, default_gamma, default_gamma_multiobjective
from optuna.study import StudyDirection
from scipy.special import ndtr

from domain.strategies.optuna_rows import Told
from domain.strategies.optuna_words import Line, Vocabulary

NARROWEST = 0.07
"""How wide a kernel is at least, as a share of a range, for one observation of one variable; of more it narrows.

Optuna's is a share of one in the number of observations: of the three best of thirty trials, which are what a short run
has, each then speaks for a quarter of the range. This one falls as densities of n points in d dimensions are estimated
best, by n to the power of -1 / (d + 4) (Scott, 1992).
"""

CANDIDATES = 24
"""How many points are drawn where good trials lie, for the one that promises most."""
Group = dict[str, BaseDistribution]
_PARAMETERS = TPESampler()._parzen_estimator_parameters


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

    def log_pdf(self, samples_dict: Any) -> Any:
        """Return the logarithm of the density at each sample, of samples within the ranges."""
        mixture = self._mixture_distribution
        if not all(isinstance(each, _CONTINUOUS) for each in mixture.distributions):
            return super().log_pdf(samples_dict)
        return log_density(self._transform(samples_dict), mixture.weights, mixture.distributions)


_CONTINUOUS = (_BatchedTruncNormDistributions, _BatchedTruncLogNormDistributions)


def log_density(points: Any, weights: Any, ranges: Sequence[Any]) -> Any:
    """Return the logarithm of a mixture of products of truncated normal distributions, at points within the ranges.

    Optuna's own standardizes each point for each kernel and variable at once, and looks for what lies outside.
    """
    # In two arrays only: for a thousand kernels each is large enough to be mapped anew wherever it is made.
    total, distance = np.empty((2, len(points), len(weights)))
    constant = np.log(weights)
    total[:] = 0.0
    for place, each in enumerate(ranges):
        here = np.log(points[:, place]) if each.is_log else points[:, place]
        np.subtract(here[:, np.newaxis], each.mu, out=distance)
        distance /= each.sigma
        distance *= distance
        total += distance
        below, above = (each.adapted_low - each.mu) / each.sigma, (each.adapted_high - each.mu) / each.sigma
        constant -= np.log(each.sigma) + _log_mass(below, above) + _HALF_LOG_TAU
    total *= -0.5
    total += constant
    most = total.max(axis=1)
    total -= most[:, np.newaxis]
    return np.log(np.exp(total, out=total).sum(axis=1)) + most


_HALF_LOG_TAU = 0.5 * math.log(math.tau)


def _log_mass(below: Any, above: Any) -> Any:
    """Return the logarithm of what a standard normal distribution has between two ends."""
    if (below <= 0).all() and (above >= 0).all():  # around the mean nothing cancels
        return np.log(ndtr(above) - ndtr(below))
    return _log_gauss_mass(below, above)


def _half_step(domain: Any) -> float:
    return 0.0 if domain.step is None or domain.log else domain.step / 2


@dataclass
class Part:
    """Variables that are drawn together, and the trials that have all of them, divided among themselves.

    Optuna divides all trials of a run at once. A branch that reaches less at first has no good ones then: nothing is
    learned of it, not even what is best there, until chance finds a point of it that beats the refined ones of others.
    """

    group: Group
    good: Line
    bad: Line

    def density(self, trials: Line, weights: Any = None) -> Kernels:
        """Return the density of these trials."""
        return Kernels(dict(zip(self.group, trials.T, strict=True)), self.group, _PARAMETERS, weights)


class Estimator:
    """What Optuna's estimator promises of the trials of a run, which are told and divided at once.

    Its own sampler compares the distributions of all trials at the first suggestion, and learns only from trials that
    have every variable. Here variables under one condition are drawn together, by the trials that have them; in
    smaller groups where trials have some of these and not others, as they have in a space that grows.
    """

    def __init__(self, words: Vocabulary, told: Told, study: optuna.Study, seed: int) -> None:
        """`study` has no trials: it says which way the goals go."""
        self._words = words
        groups = _groups(words)
        for names in _patterns(words, told.lines):
            groups = [part for group in groups for part in _parted(group, names)]
        self._parts = [self._part(group, told, study) for group in groups]
        self._weighs_alike = len(study.directions) > 1
        self._chance = np.random.RandomState(seed)

    def drawn(self) -> dict[str, Any]:
        """Return a value for every parameter, the unconditional ones first; the next ones keep away from these."""
        free = self._words.free
        params: dict[str, Any] = {name: _get_single_value(each) for name, each in free.items() if each.single()}
        for part in self._parts:
            params |= self._of_part(part)
        line = self._words.written(params)
        for part in self._parts:
            part.bad = np.vstack([part.bad, line[self._columns(part.group)]])
        return params

    def _part(self, group: Group, told: Told, study: optuna.Study) -> Part:
        return Part(group, *_divided(study, told.of(self._columns(group))))

    def _columns(self, group: Group) -> list[int]:
        return [self._words.column[name] for name in group]

    def _of_part(self, part: Part) -> dict[str, Any]:
        weights = np.ones(len(part.good)) if self._weighs_alike else None
        below, above = part.density(part.good, weights), part.density(part.bad)
        candidates = below.sample(self._chance, CANDIDATES)
        best = int(np.argmax(below.log_pdf(candidates) - above.log_pdf(candidates)))
        return {name: _within(each, candidates[name][best].item()) for name, each in part.group.items()}


def at_random(words: Vocabulary, seed: int) -> Callable[[], dict[str, Any]]:
    """Return what draws a value for every parameter, of which nothing is known yet."""
    study = optuna.create_study(sampler=RandomSampler(seed))
    return lambda: study.ask(words.free).params


def _within(domain: BaseDistribution, value: float) -> Any:
    """Return a value as a parameter; that of a logarithm may have left the range in its last digit."""
    if isinstance(domain, FloatDistribution):
        return min(max(value, domain.low), domain.high)
    return domain.to_external_repr(value)


def _divided(study: Any, told: Told) -> tuple[Line, Line]:
    """Return the lines of the good trials, and of the others, those that run among them, each in their order."""
    good = np.zeros(len(told.lines), dtype=bool)
    good[_good(study, told)] = True
    return told.lines[good], told.lines[~good]


def _good(study: Any, told: Told) -> Any:
    """Return the places of the trials that Optuna takes for good, which has a look at each for what it may be."""
    count = len(told.reached)
    if not count:  # of a branch that nobody has tried yet
        return []
    if told.rows:
        most = default_gamma if len(study.directions) == 1 else default_gamma_multiobjective
        below, _ = _split_trials(study, list(told.rows), most(count))
        numbers = {each.number for each in below}
        return [place for place, row in enumerate(told.rows) if row.number in numbers]
    rising = told.reached if study.direction == StudyDirection.MINIMIZE else -told.reached
    return np.argsort(rising, kind="stable")[: default_gamma(count)]


def _patterns(words: Vocabulary, lines: Line) -> list[frozenset[str]]:
    """Return which parameters trials have, each combination once."""
    has = ~np.isnan(lines)
    different = has[:1] if has.all() else np.unique(has, axis=0)
    return sorted((frozenset(compress(words.column, each)) for each in different), key=sorted)


def _parted(group: Group, names: frozenset[str]) -> Iterator[Group]:
    """Yields what trials of these names have of a group, and what they have not."""
    for has in (True, False):
        if part := {name: each for name, each in group.items() if (name in names) is has}:
            yield part


def _groups(words: Vocabulary) -> list[Group]:
    # By name, as Optuna orders them: draws depend on the order.
    varied = [each for each in words.leaves if not words.free[each.key].single()]
    varied.sort(key=attrgetter("condition", "key"))
    return [{each.key: words.free[each.key] for each in group} for _, group in groupby(varied, attrgetter("condition"))]
