"""What every strategy promises, and what it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.objectives import Objective
from domain.space import Space
from domain.values import Json


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial as a strategy sees it: its number in the run, its values, what it reached (None: it failed)."""

    number: int
    values: Mapping[str, Json]
    objectives: Mapping[str, float] | None = None


class Strategy(Protocol):
    """Chooses configurations; pure: the same arguments give the same configuration, whatever came before."""

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
        """Return a valid configuration for trial `number`, from 1; raises Unsatisfied when none is found.

        `seed` is the suggestion's own (`suggestion_seed`), `run_seed` the whole run's, `budget` its most trials.
        """
