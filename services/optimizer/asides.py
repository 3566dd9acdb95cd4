"""Evaluations of a run that are no trials: one after the other behind them, within its limits, stopped with it."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from ashgrove.program.v1.dataset_pb2 import Split
from ashgrove.program.v1.execution_pb2 import EvaluationResult

from domain.values import Json, content_hash
from framework.failpoints import Failpoint
from framework.tasks import stopped
from services.optimizer.application import Application
from services.optimizer.evaluating import Outcome, evaluate
from services.optimizer.ledger import Ledger

LOOKED = Failpoint("run.looked", "a run has looked at a configuration behind its trials, and keeps it in memory")


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
        counts["repeat"] = repeat
        return {"id": identifier, "evaluation_id": identifier, "configuration": dict(configuration), **counts}

    async def evaluated(self, wanted: Iterable[dict[str, Any]], split: Split.ValueType) -> AsyncIterator[Aside]:
        """Yields how each ended, one after the other; fewer when a limit of the run was reached before."""
        for each in wanted:
            if self.ledger.spending.reason:
                return
            ended = await self._evaluated(each, split)
            if ended is None:
                return
            yield ended

    async def _evaluated(self, one: dict[str, Any], split: Split.ValueType) -> Aside | None:
        """Returns how one ended, None when a limit of the run was reached before."""
        self.unfinished = [one]
        results: list[EvaluationResult] = []
        evaluating = asyncio.create_task(evaluate(self.application, self.ledger, self.run, one, results, split))
        spending = asyncio.create_task(self.ledger.spending.until_spent())
        try:
            await asyncio.wait([evaluating, spending], return_when=asyncio.FIRST_COMPLETED)
            if not evaluating.done():
                return None
            ended = Aside(one["id"], evaluating.result(), results)
            self.unfinished = []
            LOOKED()
            return ended
        finally:
            await stopped([evaluating, spending])

    def spent(self, before: str) -> str:
        """Returns, in words, that a limit was reached before something was done."""
        limit = self.ledger.spending.reason.removeprefix("END_REASON_").lower().replace("_", " ")
        return f"the run's limit of {limit} was reached before {before}"
