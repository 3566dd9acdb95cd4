"""Streams an execution: the pieces that were missed, then each new one, then the end with the result."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.program.v1.execution_requests_pb2 import (
    ExecutionPiece,
    ExecutionStep,
    GetExecutionStepsRequest,
    GetExecutionStepsResponse,
    StreamExecutionRequest,
    StreamExecutionResponse,
)
from google.protobuf.json_format import ParseDict
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.events.hints import set_within
from framework.resource import action, spec_of
from framework.storage import codec_of
from services.program.keeping import shown_to_asker
from services.program.resources.execution import ENDED, Execution
from services.program.waking import topic

HEARTBEAT_SECONDS = 15.0
_STREAM, _STEPS = "StreamExecution", "GetExecutionSteps"
_LOOK_SECONDS = 0.25
_BATCH = 500
_AFTER = """
SELECT sequence, piece FROM execution_pieces
WHERE organization_id = %(organization)s AND execution_id = %(execution)s AND sequence > %(position)s
ORDER BY sequence LIMIT %(limit)s
"""
Frame = StreamExecutionResponse


@action(Execution, _STREAM)
async def stream(call: Call, request: StreamExecutionRequest) -> AsyncIterator[Frame]:
    """Yields pieces after a sequence; the first and the last frame carry the execution, and those between news of it.

    Raises Unauthenticated once the caller's key, role or membership is lost, whether or not there are pieces.
    """
    with call.engine.hints.bound(topic("execution", request.id), heard := asyncio.Event()):
        async for frame in _frames(call, request.id, request.from_sequence, heard):
            yield frame


async def _frames(call: Call, identifier: str, position: int, heard: asyncio.Event) -> AsyncIterator[Frame]:
    row, pieces = await _look(call, identifier, position)
    spoken, status = time.monotonic(), row["status"]
    yield Frame(heartbeat=Heartbeat(sequence=position), execution=execution_of(call, row))
    while True:
        for piece in pieces:
            position, spoken = piece["sequence"], time.monotonic()
            yield Frame(item=ParseDict(piece["piece"], ExecutionPiece(sequence=position)))
        if row["status"] in ENDED and len(pieces) < _BATCH:
            yield Frame(end=End(status=Status()), execution=execution_of(call, row))
            return
        if row["status"] != status:
            spoken, status = time.monotonic(), row["status"]
            yield Frame(heartbeat=Heartbeat(sequence=position), execution=execution_of(call, row))
        if not pieces:
            await set_within(heard, _LOOK_SECONDS)
        heard.clear()
        if time.monotonic() - spoken > HEARTBEAT_SECONDS:
            spoken = time.monotonic()
            yield Frame(heartbeat=Heartbeat(sequence=position))
        call.engine.revocations.check(call.context)
        row, pieces = await _look(call, identifier, position)


async def _look(call: Call, identifier: str, position: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the execution as the caller may see it now, and the next pieces.

    The execution is read first: whatever was written before its end is then among the pieces.
    """
    async with call.transaction() as tx:
        row = await call.row(Execution, identifier, _STREAM)
        names = {"organization": call.context.organization_id, "execution": row["id"]}
        pieces = await tx.fetch(_AFTER, names | {"position": position, "limit": _BATCH})
    return row, pieces


def execution_of(call: Call, row: dict[str, Any]) -> Any:
    """Returns a row as an execution; whoever asked for it is told of outputs that are only held."""
    asked = row["owner_id"] == call.actor.user_id
    return shown_to_asker(row) if asked else codec_of(spec_of(Execution)).message(row)


@action(Execution, _STEPS)
async def steps(call: Call, request: GetExecutionStepsRequest) -> GetExecutionStepsResponse:
    """Tells what an execution did on its way."""
    row = await call.row(Execution, request.id, _STEPS)
    return GetExecutionStepsResponse(steps=_steps_of(row), left_out_count=row["steps_left_out"])


def _steps_of(row: dict[str, Any]) -> list[ExecutionStep]:
    """Returns what is kept of an execution's way."""
    return [ParseDict(step, ExecutionStep()) for step in row["steps"] or ()]
