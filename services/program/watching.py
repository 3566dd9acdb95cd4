"""Streams an evaluation: the results that were missed, then each new one, then the end."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramResponse
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.resource import spec_of
from framework.storage import codec_of
from services.program.resources.evaluation import Evaluation, EvaluationResult
from services.program.resources.execution import ENDED, PAUSED
from services.program.waking import topic

HEARTBEAT_SECONDS = 15.0
ATTACH_SECONDS = 5.0
_LOOK_SECONDS = 0.25
_GATHER_SECONDS = 0.05
_BATCH = 500
_AFTER = """
SELECT * FROM evaluation_results
WHERE organization_id = %(organization)s AND evaluation_id = %(evaluation)s AND sequence > %(position)s
ORDER BY sequence LIMIT %(limit)s
"""
# One that was attached to only just stays as it is: workers look for work past rows that somebody writes, and one that
# passed over an evaluation because its caller told that it listens would find it at the next sweep only.
_ATTACHED = """
UPDATE evaluations SET attached_at = clock_timestamp()
WHERE organization_id = %(organization)s AND id = %(evaluation)s
  AND attached_at < clock_timestamp() - interval '1 second'
"""


async def frames(call: Call, identifier: str, position: int) -> AsyncIterator[EvaluateProgramResponse]:
    """Yields results after a sequence; the first and the last frame carry the evaluation.

    Raises Unauthenticated once the caller's key, role or membership is lost, whether or not there are results.
    """
    row, results = await _look(call, identifier, position, attached=True)
    spoken = attached = looked = time.monotonic()
    yield EvaluateProgramResponse(heartbeat=Heartbeat(sequence=position), evaluation=_evaluation(row))
    while True:
        for result in results:
            position, spoken = result["sequence"], time.monotonic()
            yield EvaluateProgramResponse(item=codec_of(spec_of(EvaluationResult)).message(result))
        if row["status"] in (*ENDED, PAUSED) and len(results) < _BATCH:
            yield EvaluateProgramResponse(end=End(status=Status()), evaluation=_evaluation(row))
            return
        if not results:
            await call.engine.hints.wait(topic("evaluation", identifier), _LOOK_SECONDS)
        if len(results) < _BATCH:
            # Results come by the hundred a second: what comes close together is read together.
            await asyncio.sleep(max(0.0, looked + _GATHER_SECONDS - time.monotonic()))
        if time.monotonic() - spoken > HEARTBEAT_SECONDS:
            spoken = time.monotonic()
            yield EvaluateProgramResponse(heartbeat=Heartbeat(sequence=position))
        call.engine.revocations.check(call.context)
        looked = time.monotonic()
        due = looked - attached > ATTACH_SECONDS
        attached = looked if due else attached
        row, results = await _look(call, identifier, position, attached=due)


async def _look(
    call: Call, identifier: str, position: int, *, attached: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the evaluation as the caller may see it now, and the next results.

    The evaluation is read first: whatever was committed before its end is then among the results.
    """
    async with call.transaction() as tx:
        row = await call.row(Evaluation, identifier)
        names = {"organization": call.context.organization_id, "evaluation": row["id"]}
        if attached and row["status"] not in (*ENDED, PAUSED):
            await tx.execute(_ATTACHED, names)
        results = await tx.fetch(_AFTER, names | {"position": position, "limit": _BATCH})
    return row, results


def _evaluation(row: dict[str, Any]) -> Any:
    return codec_of(spec_of(Evaluation)).message(row)
