"""Cancelling a run: at once where nobody works on it, else through its worker."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import CancelOptimizationRunRequest
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.evaluation_requests_pb2 import CancelEvaluationRequest

from framework.engine import Call
from framework.errors import Failure
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from framework.storage import Transaction, transaction_time
from services.optimizer.closing import close
from services.optimizer.resources import ENDED, OptimizationRun, is_external
from services.optimizer.story import WORK, tell, topic

_VERB = "CancelOptimizationRun"
_IDLE = ("STATUS_PENDING", "STATUS_PAUSED")
_END_TRIALS = """
UPDATE trials SET status = 'STATUS_CANCELLED', completed_at = now()
WHERE organization_id = %(organization_id)s AND optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'
RETURNING evaluation_id
"""


@action(OptimizationRun, _VERB)
async def cancel(call: Call, request: CancelOptimizationRunRequest) -> pb.OptimizationRun:
    """Returns the run on its way to CANCELLED; an ended one, or one that is being stopped, stays as it is.

    One that nobody works on ends at once, others within a second.
    """
    evaluations: list[UUID] = []
    async with call.transaction() as tx:
        row = await call.row(OptimizationRun, request.id, _VERB, lock=True)
        idle = row["status"] in _IDLE or (row["status"] == "STATUS_RUNNING" and is_external(row))
        if idle:
            evaluations = await _end(call, tx, row)
        elif row["status"] not in ENDED and row["status"] != "STATUS_CANCELLING":
            await call.update(OptimizationRun, request.id, {"status": "STATUS_CANCELLING"}, verb=_VERB)
            await tell(tx, row, RunEvent(type=RunEvent.TYPE_RUN_CANCELLING), fenced=False)
            await call.database.notify(tx, WORK)
        await call.follow(lambda: call.engine.hints.publish(topic(request.id)))
        if idle:  # no worker will end what the run was granted, nor what it left
            await call.follow(lambda: _end_what_is_left(call, row, evaluations))
        return await call.get(OptimizationRun, request.id, verb=_VERB)


async def _end_what_is_left(call: Call, row: Mapping[str, Any], evaluations: Sequence[UUID]) -> None:
    # As the caller: what a run that lost its grant has evaluated can be ended, too.
    await asyncio.gather(*(_cancel_evaluation(call, each) for each in evaluations))
    if row["grant_id"] is not None:  # clients act in their own names
        await close(call.database, call.application, row)


async def _end(call: Call, tx: Transaction, row: dict[str, Any]) -> list[UUID]:
    """Ends a run that nobody works on, with the trials that a pause left; returns their evaluations."""
    trials = await tx.fetch(_END_TRIALS, row)
    columns = {"status": "STATUS_CANCELLED", "error": "", "completed_at": transaction_time()}
    await call.update(OptimizationRun, str(row["id"]), columns, verb=_VERB)
    await tell(tx, row, RunEvent(type=RunEvent.TYPE_RUN_ENDED), fenced=False)
    return [trial["evaluation_id"] for trial in trials if trial["evaluation_id"] is not None]


async def _cancel_evaluation(call: Call, evaluation_id: UUID) -> None:
    # Best effort: a paused evaluation does nothing until somebody attaches to it.
    with suppress(Failure), from_peer("program"):
        request = CancelEvaluationRequest(id=str(evaluation_id))
        await call.application.program.CancelEvaluation(request, timeout=2.0)
