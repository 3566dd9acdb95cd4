"""Streams an evaluation: the results that were missed, then each new one, then the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramResponse
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.events.hints import Hints, set_within
from framework.resource import spec_of
from framework.storage import codec_of
from services.program.resources.evaluation import Evaluation, EvaluationResult
from services.program.resources.execution import ENDED, PAUSED
from services.program.waking import halted, topic

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
    with _news(call.engine.hints, identifier) as news:
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
            if len(results) < _BATCH:
                await news.worth_a_look(looked, idle=not results)
            if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                spoken = time.monotonic()
                yield EvaluateProgramResponse(heartbeat=Heartbeat(sequence=position))
            call.engine.revocations.check(call.context)
            looked = time.monotonic()
            due = looked - attached > ATTACH_SECONDS
            attached = looked if due else attached
            row, results = await _look(call, identifier, position, attached=due)


class _News:
    """What hints have told since the last look: that there is something, and that nothing more will come."""

    def __init__(self) -> None:
        self.something = asyncio.Event()
        self.all = asyncio.Event()

    async def worth_a_look(self, looked: float, *, idle: bool) -> None:
        """Returns when there may be something, or a while after the last look; what is told from here on is the next's.

        Results come by the hundred a second: what comes close together is read together, the end is not waited for.
        """
        if idle:
            await set_within(self.something, _LOOK_SECONDS)
        await set_within(self.all, looked + _GATHER_SECONDS - time.monotonic())
        self.something.clear()
        self.all.clear()


@contextmanager
def _news(hints: Hints, identifier: str) -> Iterator[_News]:
    """Notes what is told for the length of a block: nothing is missed between two waits."""
    news = _News()
    with (
        hints.bound(topic("evaluation", identifier), news.something),
        hints.bound(halted(identifier), news.something),
        hints.bound(halted(identifier), news.all),
    ):
        yield news


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
