"""Executions that are written without being read back: what is returned and told is what a read of them gives."""

from typing import Any
from uuid import UUID

import pytest
from ashgrove.program.v1.execution_pb2 import Execution as Message
from ashgrove.program.v1.execution_requests_pb2 import GetExecutionRequest
from google.protobuf.json_format import ParseDict
from psycopg.types.json import Jsonb

from framework.call import service_actor
from framework.engine import Call
from framework.errors import NotPermitted, WriteConflict
from framework.identifiers import new_id
from framework.storage import FENCE, clock_time
from framework.testing.workbench import Workbench
from services.program.handing import claimed
from services.program.resources.execution import Execution
from tests.integration.program.making import create_program

TIMES = ("created_at", "started_at")


def call(bench: Workbench, actor: Any = None) -> Call:
    """Returns a call of the user, or of somebody else."""
    return bench.engine.call(bench.context(actor or bench.user, "ExecuteProgram"))


async def begun(bench: Workbench, **more: Any) -> Message:
    """Returns an execution that was written and not read."""
    program = await create_program(bench)
    told = {"program_id": UUID(program.id), "program_revision": 1, "inputs": Jsonb({"text": "hej", "count": 3})}
    told |= {"effective_configuration": Jsonb([{"name": "model", "value": "m", "source": "SOURCE_CALL"}])}
    made: Message = await call(bench).create(Execution, Message(), hidden=claimed() | told | more, unread=True)
    return made


async def read(bench: Workbench, identifier: str) -> Message:
    """Returns an execution as its owner reads it."""
    found: Message = await bench.do("GetExecution", GetExecutionRequest(id=identifier))
    return found


async def told(bench: Workbench, what: str) -> tuple[dict[str, Any], Message]:
    """Returns the only event of a kind, and the execution that it tells of."""
    (event,) = await bench.events(f"execution.{what}")
    return event, ParseDict(event["data"], Message())


def without(message: Message, *names: str) -> Message:
    """Returns a copy without some fields."""
    bare = Message()
    bare.CopyFrom(message)
    for name in names:
        bare.ClearField(name)
    return bare


async def test_what_is_made_lacks_nothing_but_its_times_and_its_event_has_them(bench: Workbench) -> None:
    """Inputs and outputs are never told, nor what it was done with."""
    made = await begun(bench)
    found = await read(bench, made.id)
    assert made == without(found, *TIMES) and found.HasField("started_at")
    _, tells = await told(bench, "created")
    assert tells == without(found, *Execution.untold)


async def test_what_ends_is_returned_whole_and_told_once(bench: Workbench) -> None:
    """Whoever held it no longer writes nothing and tells nothing."""
    made = await begun(bench)
    (row,) = await bench.database.once("SELECT * FROM executions WHERE id = %(id)s", {"id": UUID(made.id)})
    worker = call(bench, service_actor("program", bench.organization_id))
    columns = {"outputs": Jsonb({"language": "sv"}), "latency_ms": 1.5, "completed_at": clock_time()}
    ended = await worker.settle(Execution, row, columns, move="complete", fence=FENCE)
    found = await read(bench, made.id)
    assert ended == found and found.HasField("completed_at")
    with pytest.raises(WriteConflict):
        await worker.settle(Execution, row, columns, move="complete", fence=FENCE)
    event, tells = await told(bench, "updated")
    assert tells == without(found, *Execution.untold)
    assert event["before"] == {"status": "WORK_STATUS_RUNNING"}
    assert event["changed_paths"] == ["completed_at", "latency_ms", "outputs", "status"]


async def test_what_ends_in_an_open_transaction_is_committed_with_it(bench: Workbench) -> None:
    """Nothing is left of it where that is undone."""
    made = await begun(bench)
    (row,) = await bench.database.once("SELECT * FROM executions WHERE id = %(id)s", {"id": UUID(made.id)})
    worker = call(bench, service_actor("program", bench.organization_id))
    with pytest.raises(ZeroDivisionError):
        async with worker.transaction():
            await worker.settle(Execution, row, {"latency_ms": 1.5}, move="complete", fence=FENCE)
            raise ZeroDivisionError
    assert (await read(bench, made.id)).status == made.status and not await bench.events("execution.updated")
    async with worker.transaction():
        ended = await worker.settle(Execution, row, {"latency_ms": 1.5}, move="complete", fence=FENCE)
    assert await read(bench, made.id) == ended
    await told(bench, "updated")


async def test_what_may_not_be_made_is_refused_unread_too(bench: Workbench) -> None:
    """Nothing is written, and nothing told but the refusal."""
    with pytest.raises(NotPermitted):
        await begun(bench, owner_id=new_id())
    assert not await bench.events("execution.created")
