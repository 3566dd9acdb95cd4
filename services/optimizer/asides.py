"""Evaluations of a run that are no trials: behind them, as many at once, within its limits, stopped with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from ashgrove.program.v1.dataset_pb2 import Split
from ashgrove.program.v1.execution_pb2 import EvaluationResult

from domain.values import Json, content_hash
from framework.failpoints import Failpoint
from framework.tasks import stopped
from services.optimizer.application import Application
from services.optimizer.evaluating import cancel, evaluate
from services.optimizer.ledger import Ledger
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage

LOOKED = Failpoint("run.looked", "a run has looked at a configuration behind its trials, and keeps it in memory")
Enough = Callable[[Sequence[EvaluationResult]], bool]
"""Tells of the results so far, in their order, whether there need be no more."""


class _Results(list[EvaluationResult]):
    """What each example gave, and whether that is enough."""

    def __init__(self, until: Enough | None) -> None:
        super().__init__()
        self._until = until
        self.suffice = asyncio.Event()

    def append(self, result: EvaluationResult) -> None:
        """Adds one, unless there is enough."""
        if self.suffice.is_set():
            return
        super().append(result)
        if self._until is not None and self._until(self):
            self.suffice.set()


@dataclass(frozen=True)
class Aside:
    """How an evaluation ended, and what each example gave."""

    id: str
    outcome: Outcome
    results: list[EvaluationResult]


class Asides:
    """Has configurations evaluated for one run; taken up again after a takeover, it attaches to what there is."""

    def __init__(self, application: Application, ledger: Ledger, run: dict[str, Any]) -> None:
        self.application = application
        self.ledger = ledger
        self.run = run
        self.unfinished: list[dict[str, Any]] = []
        """What is being evaluated, as trials are: to be halted or cancelled with the run."""

    def wanted(self, what: str, configuration: Mapping[str, Json], repeat: int = 0) -> dict[str, Any]:
        """Returns what is to be evaluated, as trials are; each `repeat` has seeds of its own."""
        # Whoever takes the run over finds the same evaluation by the same id, and so does a run that was extended.
        identifier = str(uuid5(UUID(str(self.run["id"])), f"{what} {content_hash(dict(configuration))}"))
        counts = {"finished_count": 0, "example_count": 0, "tokens": 0, "cost_micros": 0}
        known = {"id": identifier, "evaluation_id": identifier}
        return {**known, "configuration": dict(configuration), "repeat": repeat, **counts}

    def used(self, wanted: Iterable[Mapping[str, Any]]) -> Usage:
        """Returns what these took."""
        return sum((self.ledger.spending.of(each["id"]) for each in wanted), Usage())

    async def evaluated(
        self, wanted: Iterable[dict[str, Any]], split: Split.ValueType, until: Enough | None = None
    ) -> AsyncIterator[Aside]:
        """Yields how each ended, in their order; fewer when a limit of the run was reached before.

        As many are under way at once as the run may have trials. One of which there is enough, as `until` says with
        every example, is cancelled, and has no objectives.
        """
        slots = asyncio.Semaphore(self.run["parallelism"])

        async def in_turn(one: dict[str, Any]) -> Aside | None:
            async with slots:
                return None if self.ledger.spending.reason else await self._evaluated(one, split, until)

        evaluations = [asyncio.create_task(in_turn(each)) for each in wanted]
        try:
            for each in evaluations:
                if (ended := await each) is None:
                    return
                yield ended
        finally:
            await stopped(evaluations)

    async def _evaluated(self, one: dict[str, Any], split: Split.ValueType, until: Enough | None) -> Aside | None:
        """Returns how one ended, None when a limit of the run was reached before."""
        self.unfinished.append(one)
        results = _Results(until)
        evaluating = asyncio.create_task(evaluate(self.application, self.ledger, self.run, one, results, split))
        spending = asyncio.create_task(self.ledger.spending.until_spent())
        sufficing = asyncio.create_task(results.suffice.wait())
        try:
            await asyncio.wait([evaluating, spending, sufficing], return_when=asyncio.FIRST_COMPLETED)
            suffices = results.suffice.is_set()
            if not evaluating.done() and not suffices:
                return None
            ended = Aside(one["id"], Outcome() if suffices else evaluating.result(), results)
            self.unfinished.remove(one)
            if not evaluating.done():
                await self._cancel(one["id"])
            LOOKED()
            return ended
        finally:
            await stopped([evaluating, spending, sufficing])

    async def _cancel(self, identifier: str) -> None:
        token = await self.application.tokens.exchange(str(self.run["grant_id"]))
        await cancel(self.application, token, identifier)

    def spent(self, before: str) -> str:
        """Returns, in words, that a limit was reached before something was done."""
        return f"the run's limit of {self.ledger.spending.limit} was reached before {before}"
