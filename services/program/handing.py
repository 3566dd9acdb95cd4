"""Hands executions to workers that wait for one, past the database: where nobody waits, they are left in it as others.

An execution that is handed over rests in the database as claimed. Whatever happens to it on its way, to the worker or
to this process, its lease ends and another worker takes it; whoever waits for it looks there from time to time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
from ashgrove.program.v1 import execution_pb2, program_internal_service_pb2_grpc, program_pb2
from ashgrove.program.v1.program_internal_service_pb2 import TakeExecutionsRequest, TakeExecutionsResponse

from framework.call import ActorKind, Context
from framework.errors import NotPermitted
from framework.identifiers import new_id
from framework.storage import Expression, clock_time, from_now
from framework.storage.rows import bare
from services.program.waking import LEASE_SECONDS

Ended = execution_pb2.Execution | None
"""What an execution came to; None where that has to be looked up."""
Answer = asyncio.Future[Ended]
_MOST_BYTES = 3 * 2**20
"""What a message may have: gRPC refuses those of four megabytes."""
_IDS = ("organization_id", "id", "owner_id", "program_id", "dataset_id")
_ABSENT = (*_IDS, "inputs", "inputs_held", "timeout_ms", "max_cost_micros")


class Waiting:
    """The workers that wait for an execution, in the order in which they came."""

    def __init__(self) -> None:
        self._idle: deque[asyncio.Future[tuple[TakeExecutionsResponse, Answer]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._idle)

    def hand(self, what: TakeExecutionsResponse) -> Answer | None:
        """Gives an execution to the worker that has waited longest; None where none waits, or it is too large."""
        answer: Answer = asyncio.get_running_loop().create_future()
        while self._idle and what.ByteSize() < _MOST_BYTES:
            worker = self._idle.popleft()
            if not worker.done():
                worker.set_result((what, answer))
                return answer
        return None

    async def given(self) -> tuple[TakeExecutionsResponse, Answer]:
        """Waits for an execution, and returns it with the place for what it comes to."""
        mine: asyncio.Future[tuple[TakeExecutionsResponse, Answer]] = asyncio.get_running_loop().create_future()
        self._idle.append(mine)
        try:
            return await mine
        except BaseException:
            if mine.done() and not mine.cancelled():  # it was given one as it left
                _answer(mine.result()[1], None)
            with suppress(ValueError):
                self._idle.remove(mine)
            raise


class HandingServicer(program_internal_service_pb2_grpc.ProgramInternalServiceServicer):
    """Hands executions to the workers of this service; `context_of` returns the facts of the call that is served."""

    def __init__(self, waiting: Waiting, context_of: Callable[[], Context]) -> None:
        self._waiting = waiting
        self._context_of = context_of

    async def TakeExecutions(
        self, requests: AsyncIterator[TakeExecutionsRequest], context: Any
    ) -> AsyncIterator[TakeExecutionsResponse]:
        """Serves one worker for as long as it stays."""
        actor = self._context_of().actor
        if (actor.kind, actor.id) != (ActorKind.SERVICE, "program"):
            raise NotPermitted("executions are handed to the program service alone", action="TakeExecutions")
        answer: Answer | None = None
        try:
            async for said in requests:
                _answer(answer, said.ended if said.HasField("ended") else None)
                what, answer = await self._waiting.given()
                yield what
        finally:
            _answer(answer, None)


def _answer(answer: Answer | None, ended: Ended) -> None:
    if answer is not None and not answer.done():
        answer.set_result(ended)


def claimed() -> dict[str, Any]:
    """Returns the columns of a row that is handed over as soon as it is committed."""
    lease = {"fencing_token": 1, "lease_owner": str(new_id()), "lease_until": from_now(LEASE_SECONDS)}
    return {"status": "WORK_STATUS_RUNNING", "started_at": clock_time(), **lease}


def package(
    organization_id: UUID, made: execution_pb2.Execution, hidden: Mapping[str, Any], program: program_pb2.Program
) -> TakeExecutionsResponse:
    """Returns an execution that was made, as it is handed over."""
    known = {name: bare(value) for name, value in hidden.items() if not isinstance(value, Expression)}
    row = known | {"organization_id": organization_id, "id": made.id, "owner_id": made.owner_id}
    return TakeExecutionsResponse(row=orjson.dumps(row), program=program)


def unpacked(what: TakeExecutionsResponse) -> dict[str, Any]:
    """Returns the row of an execution that was handed over: what it was made with, without the database's times."""
    row: dict[str, Any] = dict.fromkeys(_ABSENT) | orjson.loads(what.row)
    return row | {name: UUID(row[name]) for name in _IDS if row[name]}
