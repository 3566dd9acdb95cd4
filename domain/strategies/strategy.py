"""What every strategy promises, and what it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

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
    `run_seed` the whole run's, `budget` its most trials. `memory` holds what strategies made of earlier questions of
    the same run and can make again: whoever asks may lose it at any time, and hears the same answers.
    """

    space: Space
    objectives: Sequence[Objective]
    finished: Sequence[Observation]
    pending: Sequence[Mapping[str, Json]]
    number: int
    seed: int
    run_seed: int
    budget: int
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

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
