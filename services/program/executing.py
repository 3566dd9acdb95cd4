"""Asks for executions, one or many: what all of a request share is judged once, and each leaves a row for a worker."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import (
    BatchExecuteProgramRequest,
    BatchExecuteProgramResponse,
    BatchExecutionResult,
)
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest

from framework.engine import Call
from framework.engine.standing import create_while
from framework.errors import Failure, InvalidFields
from framework.resource import action
from framework.storage import Transaction
from framework.structs import values_of
from services.program.asked import Asked, Request, judged, revision_meant
from services.program.defaults import ask_defaults, defaults_answered
from services.program.ends import all_ended, ended, expect
from services.program.handing import Waiting, claimed, package
from services.program.known import Read
from services.program.resources.execution import BATCH, EXECUTE, Execution
from services.program.resources.program import Program
from services.program.waking import EXECUTIONS, WORK, left

_LEAVE = """
UPDATE executions SET lease_until = NULL, lease_owner = ''
WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = 1
"""


@action(Execution, EXECUTE, then=ended)
async def execute(call: Call, request: ExecuteProgramRequest) -> execution_pb2.Execution:
    """Leaves an execution for a worker."""
    waits = not (request.detached or request.streamed or request.allow_cached)
    waiting = getattr(call.application, "waiting", None) if waits else None
    revision = await revision_meant(call, request)
    if waiting and call.alone and (handed := await _handed_by_known(call, waiting, request, revision)):
        return handed
    async with call.transaction() as tx:
        asked = await judged(call, request, await _read(call, tx, request, revision, EXECUTE))
        columns = asked.columns(values_of(request.inputs), "inputs")
        if waits:
            await tx.lazily()  # its end, which is still to come and which the caller waits for, makes it durable
            if waiting and not call.rehearsing:
                return await _handed(call, waiting, asked, columns | claimed())
        made = await call.create(Execution, execution_pb2.Execution(), hidden=await asked.answered(call, tx, columns))
        await call.database.notify(tx, WORK, left(EXECUTIONS))
    return made


async def _handed(call: Call, waiting: Waiting, asked: Asked, columns: Mapping[str, Any]) -> execution_pb2.Execution:
    """Creates an execution as claimed, and hands it to a worker that waits once it is committed."""
    made = await call.create(Execution, execution_pb2.Execution(), hidden=columns, unread=True)
    await call.follow(lambda: _hand(call, waiting, asked, columns, made))
    return made


async def _handed_by_known(
    call: Call, waiting: Waiting, request: ExecuteProgramRequest, revision: int
) -> execution_pb2.Execution | None:
    """Does the same by what was read for an earlier one; None, and nothing is done, where that has to be read anew."""
    key = (call.context.organization_id, request.program_id, revision)
    read = call.application.known.find(key)
    if read is None:
        return None
    try:
        asked = await judged(call, request, read)
        columns = asked.columns(values_of(request.inputs), "inputs") | claimed()
    except Failure:  # what is wrong with it is said of the program as it is now
        return None
    made = await create_while(call, Execution, columns, read.standing(call, EXECUTE))
    if made is None:
        call.application.known.forget(key)
    else:
        await _hand(call, waiting, asked, columns, made)
    return made


async def _hand(
    call: Call, waiting: Waiting, asked: Asked, columns: Mapping[str, Any], made: execution_pb2.Execution
) -> None:
    """Hands an execution that was made and committed to a worker that waits."""
    answer = waiting.hand(package(call.context.organization_id, made, columns, asked.program_as_kept))
    if answer is None:  # others were quicker
        await _left(call, made.id)
    await expect(call, answer)


async def _left(call: Call, identifier: str) -> None:
    """Leaves an execution that nobody took to whoever looks for work."""
    names = {"organization": call.context.organization_id, "id": UUID(identifier)}
    async with call.database.system() as tx:
        await tx.execute(_LEAVE, names)
        await call.database.notify(tx, WORK, left(EXECUTIONS))


@action(Execution, BATCH, then=all_ended)
async def execute_many(call: Call, request: BatchExecuteProgramRequest) -> BatchExecuteProgramResponse:
    """Leaves an execution for each of the inputs that fit; of the others it says what is wrong with them."""
    answer = BatchExecuteProgramResponse()
    async with call.transaction() as tx:
        revision = await revision_meant(call, request)
        asked = await judged(call, request, await _read(call, tx, request, revision, BATCH))
        for i, inputs in enumerate(request.inputs):
            answer.results.append(await _result(call, tx, asked, inputs, f"inputs[{i}]"))
        await call.database.notify(tx, WORK, left(EXECUTIONS, len(request.inputs)))
    return answer


async def _result(call: Call, tx: Transaction, asked: Asked, inputs: Any, path: str) -> BatchExecutionResult:
    try:
        columns = await asked.answered(call, tx, asked.columns(values_of(inputs), path))
        made = await call.create(Execution, execution_pb2.Execution(), hidden=columns)
        return BatchExecutionResult(execution=made)
    except InvalidFields as refused:
        return BatchExecutionResult(error=refused.status())


async def _read(call: Call, tx: Transaction, request: Request, revision: int, verb: str) -> Read:
    """Reads what a request is judged by, in one round trip, and keeps it for those to come."""
    theirs = await ask_defaults(call, tx)
    program = await call.get(Program, request.program_id, revision=revision, verb=verb)
    read = Read(program, await defaults_answered(call, tx, theirs))
    if call.application:
        call.application.known.keep((call.context.organization_id, request.program_id, revision), read)
    return read
