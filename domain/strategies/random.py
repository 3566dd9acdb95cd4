"""The random strategy: it learns nothing, and is the yardstick of those that do."""

from typing import ClassVar

from domain.sampling import random_configuration
from domain.strategies.strategy import Question
from domain.values import Json


class RandomStrategy:
    """Draws every configuration independently of all others."""

    learns: ClassVar[bool] = False

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return the configuration that the seed and the number give."""
        return random_configuration(question.space, question.seed, question.number)
