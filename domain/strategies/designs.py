"""The designs as strategies: they learn nothing, and cover the space more evenly than chance."""

from collections.abc import Mapping, Sequence

from domain.designs import configuration, latin_hypercube_point, sobol_point
from domain.objectives import Objective
from domain.space import Space
from domain.strategies.strategy import Observation
from domain.values import Json


class SobolStrategy:
    """Walks along a scrambled Sobol sequence: trial `number` is its point `number - 1`, however long the run."""

    def suggest(
        self,
        space: Space,
        objectives: Sequence[Objective],
        finished: Sequence[Observation],
        pending: Sequence[Mapping[str, Json]],
        number: int,
        seed: int,
        *,
        run_seed: int,
        budget: int,
    ) -> dict[str, Json]:
        """Return the configuration that the run's seed and the number give."""
        return configuration(space, sobol_point(run_seed, number - 1, len(space.variables)), seed)


class LatinHypercubeStrategy:
    """Goes through a Latin hypercube of as many points as the run has trials."""

    def suggest(
        self,
        space: Space,
        objectives: Sequence[Objective],
        finished: Sequence[Observation],
        pending: Sequence[Mapping[str, Json]],
        number: int,
        seed: int,
        *,
        run_seed: int,
        budget: int,
    ) -> dict[str, Json]:
        """Return the configuration that the run's seed, its budget and the number give."""
        return configuration(space, latin_hypercube_point(run_seed, budget, number - 1, len(space.variables)), seed)
