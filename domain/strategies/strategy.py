"""What every strategy promises, and what it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from domain.objectives import Objective
from domain.space import Space
from domain.values import Json


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial as a strategy sees it: its number in the run, its values, what it reached (None: it failed)."""

    number: int
    values: Mapping[str, Json]
    objectives: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What trial `number` of a run, from 1, should try.

    `finished` and `pending` are what may inform the answer. `seed` is the suggestion's own (`suggestion_seed`),
    `run_seed` the whole run's, `budget` its most trials.
    """

    space: Space
    objectives: Sequence[Objective]
    finished: Sequence[Observation]
    pending: Sequence[Mapping[str, Json]]
    number: int
    seed: int
    run_seed: int
    budget: int

    @property
    def tried(self) -> list[Mapping[str, Json]]:
        """Every configuration that was tried or is being tried."""
        return [*(each.values for each in self.finished), *self.pending]

    @property
    def is_first(self) -> bool:
        """Whether nothing was tried yet."""
        return not self.finished and not self.pending


class Exhausted(Exception):  # noqa: N818 - an answer rather than a fault
    """Every configuration that the strategy would try was tried: the run is complete before its budget is spent."""


class Strategy(Protocol):
    """Chooses configurations; pure: the same question has the same answer, whatever came before."""

    learns: ClassVar[bool]
    """Whether what was tried informs it: where it does not, nobody need read that for it."""

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return a valid configuration; raises Unsatisfied when none is found, Exhausted when none is left."""
