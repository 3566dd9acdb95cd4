"""The next configuration of a run, whoever evaluates it: the same question of the same rows has the same answer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.seeds import suggestion_seed
from domain.space import Space
from domain.strategies import SAMPLER_VERSION, Observation, Question
from domain.strategies.random import RandomStrategy
from domain.values import Json, content_hash
from services.optimizer.objectives import objectives_of
from services.optimizer.strategies import strategy_of

_FEW = 100
"""How many variables are drawn at once where others wait for it."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration, and what it can be computed again from besides what informed it."""

    number: int
    values: dict[str, Json]
    content_hash: str
    seed: int
    sampler_version: str = SAMPLER_VERSION


class Suggesting:
    """Asks one run's strategy, and keeps for it what it remembers: with nothing kept it gives the same answers."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.strategy = strategy_of(row)
        self.objectives = objectives_of(row)
        self._seed = row["seed"]
        self.budget = budget_of(row)
        self._memory: dict[str, Any] = {}

    async def next(
        self, space: Space, number: int, finished: Sequence[Observation], pending: Sequence[Mapping[str, Json]]
    ) -> Suggestion:
        """Returns what trial `number` should try, by what may inform it; raises Exhausted, Unsatisfied."""
        question = Question(
            space=space,
            objectives=self.objectives,
            finished=finished,
            pending=pending,
            number=number,
            seed=suggestion_seed(self._seed, number),
            run_seed=self._seed,
            budget=self.budget,
            memory=self._memory,
        )
        values = await self._suggested(question)
        return Suggestion(number, values, content_hash(values), question.seed)

    async def _suggested(self, question: Question) -> dict[str, Json]:
        space = question.space
        if isinstance(self.strategy, RandomStrategy) and not space.rules.may_break and len(space.names) <= _FEW:
            return self.strategy.suggest(question)  # takes less time than the way to a thread and back
        # Samplers are work for the processor: off the event loop, so that leases and streams go on.
        return await asyncio.to_thread(self.strategy.suggest, question)


def again(trial: Mapping[str, Any], number: int) -> Suggestion:
    """Returns what a trial has tried, for another one to try."""
    values, content = trial["configuration"], trial["content_hash"]
    return Suggestion(number, values, content, trial["seed"], trial["sampler_version"])


def budget_of(row: Mapping[str, Any]) -> int:
    """Returns for how many trials a run's strategy plans: those it was made for, however it was extended since."""
    return int(row["planned_trials"] or row["max_trials"])


def observed(trial: Mapping[str, Any]) -> Observation:
    """Returns a trial's row as strategies see it."""
    # What a dropped trial would likely have reached teaches as much as what others did.
    reached = trial["objectives"] if trial["status"] in ("STATUS_COMPLETED", "STATUS_DROPPED") else None
    return Observation(trial["number"], trial["configuration"], reached)
