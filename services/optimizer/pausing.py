"""Pausing and resuming a run: one transaction each; a worker that loses the run stops, and the next goes on."""

from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest

from framework.engine import Call
from framework.rpc.peer_failures import from_peer
from framework.storage import Transaction, increment
from services.optimizer.granting import granted_by_caller, permit
from services.optimizer.resources import OptimizationRun, is_external
from services.optimizer.story import WORK, tell, topic

_PAUSE = "PauseOptimizationRun"
_RESUME = "ResumeOptimizationRun"
_Run = pb.OptimizationRun
_Event = pb.RunEvent


async def pause(call: Call, identifier: str) -> pb.OptimizationRun:
    """Returns the run as PAUSED; raises IllegalState when it has ended or is being cancelled."""
    async with call.transaction() as tx:
        row = await call.row(OptimizationRun, identifier, _PAUSE, lock=True)
        if row["status"] == "STATUS_PAUSED":
            return await call.get(OptimizationRun, identifier)
        await paused(call, tx, row, verb=_PAUSE, move=_PAUSE)
        await call.follow(lambda: call.engine.hints.publish(topic(identifier)))
        return await call.get(OptimizationRun, identifier)


async def paused(
    call: Call, tx: Transaction, row: dict[str, Any], cause: str = "", *, verb: str = "Update", move: str = "pause"
) -> None:
    """Pauses a run whose row the transaction has locked: its worker's token no longer fits, and nobody may claim it."""
    columns = {"error": cause, "fencing_token": increment(), "lease_owner": "", "lease_until": None}
    await call.update(OptimizationRun, str(row["id"]), columns, verb=verb, move=move)
    await tell(tx, row, _Event(type=_Event.TYPE_RUN_PAUSED, error=cause), fenced=False)


async def resume(call: Call, identifier: str) -> pb.OptimizationRun:
    """Returns the run on its way again; raises IllegalState when it has ended or is being cancelled.

    The caller's rights are looked at as when a run is started, and a new grant takes the place of the old one.
    """
    row = await call.row(OptimizationRun, identifier, _RESUME)
    run = await call.get(OptimizationRun, identifier)
    if row["status"] != "STATUS_PAUSED":
        return run
    if is_external(row):  # its clients act in their own names: there is nothing to grant
        _, run = await _resumed(call, identifier, None)
        await call.follow(lambda: call.engine.hints.publish(topic(identifier)))
        return run
    with from_peer("program"):
        request = GetProgramRequest(id=run.program_id, revision=run.program_revision)
        permit(call, await call.application.program.GetProgram(request))
    async with granted_by_caller(call, run.id, run) as grant:
        before, run = await _resumed(call, identifier, grant)
    # Of two that resumed at once, the second changed nothing, and its grant is the one too many.
    ended = before["grant_id"] if before["status"] == "STATUS_PAUSED" else grant
    await call.follow(lambda: call.engine.hints.publish(topic(identifier)))
    await call.follow(lambda: call.application.end_grant(ended))
    return run


async def _resumed(call: Call, identifier: str, grant: str | None) -> tuple[dict[str, Any], pb.OptimizationRun]:
    """Returns the row as it was, and the run as it is now."""
    async with call.transaction() as tx:
        row = await call.row(OptimizationRun, identifier, _RESUME, lock=True)
        if row["status"] == "STATUS_PAUSED":
            status = _Run.STATUS_RUNNING if row["started_at"] else _Run.STATUS_PENDING
            columns = {"status": status, "error": "", "grant_id": grant and UUID(grant)}
            await call.update(OptimizationRun, identifier, columns, verb=_RESUME)
            await tell(tx, row, _Event(type=_Event.TYPE_RUN_RESUMED), fenced=False)
            await call.database.notify(tx, WORK)
        return row, await call.get(OptimizationRun, identifier)
