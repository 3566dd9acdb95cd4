"""The random strategy: it learns nothing, and is the yardstick of those that do."""

from collections.abc import Mapping, Sequence

from domain.objectives import Objective
from domain.sampling import random_configuration
from domain.space import Space
from domain.strategies.strategy import Observation
from domain.values import Json


class RandomStrategy:
    """Draws every configuration independently of all others."""

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
        """Return the configuration that the seed and the number give."""
        return random_configuration(space, seed, number)
