"""Strategies that learn a model of the objectives from what was tried, and ask it what promises most."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.strategies.history import remembered
from domain.strategies.strategy import Observation, Question
from domain.strategies.untried import drawn, untried
from domain.values import Json

Model = Callable[[Question, Sequence[Observation]], Iterator[dict[str, Json]]]
"""Yields candidates by falling promise, from the question and the scored part of its history that is learned from."""


@dataclass(frozen=True, slots=True)
class ModelStrategy:
    """Proposes the defaults, then `startup` draws at random, then what the model of the trials so far promises most."""

    learns: ClassVar[bool] = True

    model: Model
    startup: int
    """How many scored trials there must be before the model has anything to say."""

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return a configuration; one that was not tried yet unless such are hard to find. Raises Unsatisfied."""
        if question.is_first and (defaults := question.space.defaults()) is not None:
            return defaults
        history = remembered(question)
        if len(history) < self.startup:
            return untried(question, drawn(question.space, question.seed, "startup"))
        return untried(question, self.model(question, history))
