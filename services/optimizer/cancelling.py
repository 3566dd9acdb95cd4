"""Cancelling a run: at once where nobody works on it, else through its worker."""

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb

from framework.engine import Call
from services.optimizer.resources import ENDED, OptimizationRun
from services.optimizer.story import WORK, tell, topic

_VERB = "CancelOptimizationRun"


async def cancel(call: Call, identifier: str) -> pb.OptimizationRun:
    """Returns the run on its way to CANCELLED; an ended one, or one that is being stopped, stays as it is."""
    async with call.transaction() as tx:
        row = await call.row(OptimizationRun, identifier, _VERB, lock=True)
        if row["status"] not in ENDED and row["status"] != "STATUS_CANCELLING":
            pending = row["status"] == "STATUS_PENDING"
            status = pb.OptimizationRun.STATUS_CANCELLED if pending else pb.OptimizationRun.STATUS_CANCELLING
            columns = {"status": status} | (await _now(call) if pending else {})
            await call.update(OptimizationRun, identifier, columns, verb=_VERB)
            kind = pb.RunEvent.TYPE_RUN_ENDED if pending else pb.RunEvent.TYPE_RUN_CANCELLING
            await tell(tx, row, pb.RunEvent(type=kind), fenced=False)
            await call.database.notify(tx, WORK)
        run = await call.get(OptimizationRun, identifier, verb=_VERB)
    await call.engine.hints.publish(topic(run.id))
    if row["status"] == "STATUS_PENDING":  # no worker will end what the run was granted
        await call.application.end_grant(row["grant_id"])
    return run


async def _now(call: Call) -> dict[str, object]:
    async with call.transaction() as tx:
        row = await tx.fetch_one("SELECT now() AS now")
    assert row is not None
    return {"completed_at": row["now"]}
