"""A run that rests goes on: left to the workers again, under a new grant of whoever lets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest

from framework.engine import Call
from framework.errors import WriteConflict
from framework.rpc.peer_failures import from_peer
from framework.storage import Expression, increment
from services.optimizer.granting import granted_by_caller, permit
from services.optimizer.resources import ENDED, OptimizationRun, is_external
from services.optimizer.story import WORK, tell, topic

TAKEN_AWAY = {"fencing_token": increment(), "lease_owner": "", "lease_until": None}
"""What takes a run from its worker: the token does not fit any more, and whoever comes may claim it."""
_REOPENED = {
    "completed_at": None,
    "end_reason": 0,
    "holdout_result": None,
    "ablation_result": None,
    "repeats_result": None,
    "rested_seconds": Expression("{old} + extract(epoch FROM now() - completed_at)::float8"),
}
ALL_TRIALS = Expression(
    """(SELECT count(*) FROM trials t WHERE t.organization_id = optimization_runs.organization_id
        AND t.optimization_run_id = optimization_runs.id)"""
)
"""How many trials the run has: they are numbered without gaps."""
_Run = pb.OptimizationRun
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Going:
    """What lets a run go on: the event that tells it, and the columns that change besides."""

    told: RunEvent.Type.ValueType
    columns: Mapping[str, Any] = field(default_factory=dict)
    rested: bool = True
    """Whether the run rested, and goes on in the name of the caller from here; else it only goes on otherwise."""


Decide = Callable[[Row], Going | None]
"""Looks at the row, and returns None where nothing is to be done."""


async def go_on(call: Call, identifier: str, verb: str, decide: Decide) -> pb.OptimizationRun:
    """Returns the run on its way, or as it was where nothing is to be done.

    The caller's rights are looked at as when a run is started, and a new grant takes the place of the old one.
    """
    row = await call.row(OptimizationRun, identifier, verb)
    run = await call.get(OptimizationRun, identifier)
    if (going := decide(row)) is None:
        return run
    if not going.rested or is_external(row):  # its worker has a grant, and clients act in their own names
        _, run = await _gone(call, identifier, verb, decide, None)
        await call.follow(lambda: call.engine.hints.publish(topic(identifier)))
        return run
    with from_peer("program"):
        request = GetProgramRequest(id=run.program_id, revision=run.program_revision)
        permit(call, await call.application.program.GetProgram(request))
    async with granted_by_caller(call, run.id, run) as grant:
        ended, run = await _gone(call, identifier, verb, decide, grant)
    await call.follow(lambda: call.engine.hints.publish(topic(identifier)))
    await call.follow(lambda: call.application.end_grant(ended))
    return run


async def _gone(
    call: Call, identifier: str, verb: str, decide: Decide, grant: str | None
) -> tuple[UUID | str | None, pb.OptimizationRun]:
    """Returns the grant that is not needed any more, and the run as it is now."""
    async with call.transaction() as tx:
        row, ended = await call.row(OptimizationRun, identifier, verb, lock=True), grant
        if (going := decide(row)) is not None:
            if going.rested and grant is None and not is_external(row):
                raise WriteConflict("the run came to rest in this very moment: read it again and retry")
            if going.rested:  # of two that let it go on at once, the second's grant is the one too many
                ended = row["grant_id"]
            await call.update(OptimizationRun, identifier, _columns(row, going, grant), verb=verb)
            await tell(tx, row, RunEvent(type=going.told), fenced=False)
            await call.database.notify(tx, WORK)
        return ended, await call.get(OptimizationRun, identifier)


def _columns(row: Row, going: Going, grant: str | None) -> dict[str, Any]:
    columns = dict(going.columns) | TAKEN_AWAY
    if not going.rested:
        return columns
    status = _Run.STATUS_RUNNING if row["started_at"] else _Run.STATUS_PENDING
    columns |= {
        "status": status,
        "resumes_at": None,
        "waits": 0,
        "error": "",
        "error_class": 0,
        "grant_id": grant and UUID(grant),
    }
    return columns | _REOPENED if row["status"] in ENDED else columns
