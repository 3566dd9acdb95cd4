"""The designs as strategies: they learn nothing, and cover the space more evenly than chance."""

from typing import ClassVar

from domain.designs import configuration, latin_hypercube_point, sobol_point
from domain.strategies.strategy import Question
from domain.values import Json


class SobolStrategy:
    """Walks along a scrambled Sobol sequence: trial `number` is its point `number - 1`, however long the run."""

    learns: ClassVar[bool] = False

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return the configuration that the run's seed and the number give."""
        point = sobol_point(question.run_seed, question.number - 1, len(question.space.variables))
        return configuration(question.space, point, question.seed)


class LatinHypercubeStrategy:
    """Goes through a Latin hypercube of as many points as the run has trials."""

    learns: ClassVar[bool] = False

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return the configuration that the run's seed, its budget and the number give."""
        place, dimensions = question.number - 1, len(question.space.variables)
        point = latin_hypercube_point(question.run_seed, question.budget, place, dimensions)
        return configuration(question.space, point, question.seed)
