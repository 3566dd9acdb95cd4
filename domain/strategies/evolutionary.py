"""The evolutionary strategy: NSGA-II, each child made when a place is free rather than generation by generation.

Parents are chosen among the fittest of all trials so far, so that no worker waits for the slowest of a generation.
Every type of variable has a step of its own (`domain.steps`), and constraints are kept by repair (`domain.moving`):
there is no encoding that an order, a branch or a prompt would be lost in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.moving import crossed, perturbed
from domain.ranking import fittest
from domain.seeds import Draw
from domain.strategies.strategy import Observation, Question
from domain.strategies.untried import drawn, untried
from domain.values import Json

CROSSING = 0.9
"""How likely a child has two parents."""

STEPPING = 0.5
"""How likely a child of two parents takes a step besides; a child of one always does."""

NEAR, FAR = 0.02, 0.3
"""The shortest and the longest usual step, in shares of a range; each child draws its own in between."""


@dataclass(frozen=True)
class EvolutionaryStrategy:
    """Proposes the defaults, draws at random until there is a population, and then children of the fittest."""

    learns: ClassVar[bool] = True

    population: int = 0
    """How many trials may be parents; a tenth of the budget, from 10 to 50, when 0."""

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return a configuration; one that was not tried yet unless such are hard to find. Raises Unsatisfied."""
        if question.is_first and (defaults := question.space.defaults()) is not None:
            return defaults
        size = self.population or min(max(question.budget // 10, 10), 50)
        parents = fittest(question.finished, question.objectives, size)
        if len(parents) < size:
            return untried(question, drawn(question.space, question.seed, "startup"))
        return untried(question, _children(question, parents))


def _children(question: Question, parents: Sequence[Observation]) -> Iterator[dict[str, Json]]:
    source = Draw(question.seed, "child")
    while True:
        yield _child(question, parents, source)


def _child(question: Question, parents: Sequence[Observation], source: Draw) -> dict[str, Json]:
    one, scale = _winner(parents, source), NEAR * (FAR / NEAR) ** source.unit()
    if source.unit() >= CROSSING:
        return perturbed(question.space, one, source, scale)
    child = crossed(question.space, one, _winner(parents, source), source)
    return perturbed(question.space, child, source, scale) if source.unit() < STEPPING else child


def _winner(parents: Sequence[Observation], source: Draw) -> Mapping[str, Json]:
    """Return the fitter of two parents: they come in the order of their fitness."""
    return parents[min(source.below(len(parents)), source.below(len(parents)))].values
