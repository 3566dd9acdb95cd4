"""Pausing and resuming a run: one transaction each; a worker that loses the run stops, and the next goes on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    PauseOptimizationRunRequest,
    ResumeOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from framework.engine import Call
from framework.resource import action
from framework.storage import Transaction
from services.optimizer.continuing import TAKEN_AWAY, Going, go_on
from services.optimizer.resources import OptimizationRun
from services.optimizer.story import tell, topic

_PAUSE = "PauseOptimizationRun"
_RESUME = "ResumeOptimizationRun"
_Event = RunEvent


@action(OptimizationRun, _PAUSE)
async def pause(call: Call, request: PauseOptimizationRunRequest) -> pb.OptimizationRun:
    """Returns the run as PAUSED; raises IllegalState when it has ended or is being cancelled."""
    async with call.transaction() as tx:
        row = await call.row(OptimizationRun, request.id, _PAUSE, lock=True)
        if row["status"] == "STATUS_PAUSED" and row["resumes_at"] is None:
            return await call.get(OptimizationRun, request.id)
        await paused(call, tx, row, verb=_PAUSE, move="keep" if row["status"] == "STATUS_PAUSED" else _PAUSE)
        await call.follow(lambda: call.engine.hints.publish(topic(request.id)))
        return await call.get(OptimizationRun, request.id)


async def paused(
    call: Call,
    tx: Transaction,
    row: dict[str, Any],
    cause: str = "",
    more: Mapping[str, Any] = MappingProxyType({}),
    *,
    verb: str = "Update",
    move: str = "pause",
) -> None:
    """Pauses a run whose row the transaction has locked: its worker's token no longer fits, and nobody may claim it.

    Nobody, until `more` says when.
    """
    columns = {"error": cause, "resumes_at": None, **TAKEN_AWAY, **more}
    await call.update(OptimizationRun, str(row["id"]), columns, verb=verb, move=move)
    await tell(tx, row, _Event(type=_Event.TYPE_RUN_PAUSED, error=cause), fenced=False)


@action(OptimizationRun, _RESUME)
async def resume(call: Call, request: ResumeOptimizationRunRequest) -> pb.OptimizationRun:
    """Returns the run on its way again, in the caller's name.

    Raises IllegalState when it has ended or is being cancelled.
    """
    return await go_on(call, request.id, _RESUME, _resumed)


def _resumed(row: Mapping[str, Any]) -> Going | None:
    return Going(_Event.TYPE_RUN_RESUMED) if row["status"] == "STATUS_PAUSED" else None
