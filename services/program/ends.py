"""Ends of executions, for whoever waits for them: from the worker that was handed one, or from its row."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import BatchExecuteProgramResponse

from framework.engine import Call
from framework.errors import DependencyUnavailable, NotFound
from services.program.handing import Answer
from services.program.keeping import shown_to_asker
from services.program.resources.execution import ENDED, Execution
from services.program.waking import LOOK_SECONDS, topic

_ANSWER = "what the worker says that an execution was handed to"
_KEPT = "SELECT FROM executions WHERE id = %(id)s"
_SILENT_SECONDS = 1.0
"""After which time without an answer is looked whether somebody else ended it."""


async def expect(call: Call, answer: Answer | None) -> None:
    """Has the end of the call's execution come as this answer; None says that nobody took it."""
    await _remembered(call, answer)


async def ended(call: Call, begun: execution_pb2.Execution) -> execution_pb2.Execution:
    """Waits for the end, unless nobody wants to; raises DeadlinePassed when the caller's time is over first."""
    if getattr(call.context.arguments, "detached", False):
        return begun
    answer = await _remembered(call, None)
    if answer is not None:
        told = await _answered(call, begun.id, answer)
        if told is not None:
            return told
    elif not begun.cached:  # it has only just been left to a worker
        await _heard(call, begun.id)
    return await _ended(call, begun.id)


async def all_ended(call: Call, begun: BatchExecuteProgramResponse) -> BatchExecuteProgramResponse:
    """Waits for the end of all of them, in the same way."""
    if getattr(call.context.arguments, "detached", False):
        return begun
    for result in begun.results:
        if result.HasField("execution"):
            result.execution.CopyFrom(await _ended(call, result.execution.id))
    return begun


async def _answered(call: Call, identifier: str, answer: Answer) -> execution_pb2.Execution | None:
    """Returns what a worker says that an execution came to; None when it says nothing, or somebody else ended it."""
    while not answer.done():
        await asyncio.wait([answer], timeout=min(_SILENT_SECONDS, call.context.remaining()))
        if not answer.done() and (await _row(call, identifier))["status"] in ENDED:
            return None
    return answer.result()


async def _ended(call: Call, identifier: str) -> execution_pb2.Execution:
    while True:
        row = await _row(call, identifier)
        if row["status"] in ENDED:
            return shown_to_asker(row)
        await _heard(call, identifier)


async def _row(call: Call, identifier: str) -> Mapping[str, Any]:
    """Returns the row; raises DependencyUnavailable where the database has lost it.

    What its caller waits for is committed lazily: a database that dies may not have it any more when it is back.
    """
    try:
        return await call.row(Execution, identifier)
    except NotFound:
        if await call.database.once(_KEPT, {"id": UUID(identifier)}):
            raise
    raise DependencyUnavailable("the database lost the execution when it stopped; ask again", service="database")


async def _heard(call: Call, identifier: str) -> None:
    await call.engine.hints.wait(topic("execution", identifier), min(LOOK_SECONDS, call.context.remaining()))


async def _remembered(call: Call, answer: Answer | None) -> Answer | None:
    async def known() -> Answer | None:
        return answer

    return await call.remembered(_ANSWER, known)
