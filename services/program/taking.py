"""Takes executions that API processes of this service hand over, and says what they came to."""

import asyncio
import logging
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.program_internal_service_pb2 import TakeExecutionsRequest
from ashgrove.program.v1.program_internal_service_pb2_grpc import ProgramInternalServiceStub
from grpc import aio

from framework.errors import Failure
from framework.rpc.channels import as_caller
from framework.rpc.service_tokens import ServiceTokens
from framework.tasks import together
from services.program.handing import unpacked
from services.program.waking import topic
from services.program.worker import EXECUTIONS_AT_ONCE, Worker
from services.program.working import Row

RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class Taking:
    """A few lanes of a worker that take what is handed over: what comes while all are busy is left in the database."""

    def __init__(self, worker: Worker, channel: aio.Channel, tokens: ServiceTokens) -> None:
        self._worker = worker
        self._stub: Any = ProgramInternalServiceStub(channel)
        self._tokens = tokens

    async def run(self) -> None:
        """Takes until cancelled, coming back whenever the API does."""
        await together([self._lane() for _ in range(EXECUTIONS_AT_ONCE)])

    async def _lane(self) -> None:
        while True:
            try:
                await self._take()
            except (aio.AioRpcError, Failure, asyncio.InvalidStateError) as fault:  # the last: it ended meanwhile
                _log.debug("nothing is handed over: %s", fault)
            await asyncio.sleep(RETRY_SECONDS)

    async def _take(self) -> None:
        call = self._stub.TakeExecutions(metadata=as_caller(await self._tokens.own()))
        try:
            await call.write(TakeExecutionsRequest())
            while (what := await call.read()) is not aio.EOF:
                row = unpacked(what)
                await call.write(TakeExecutionsRequest(ended=await self._done(row, what.program)))
                self._worker.workshop.engine.hints.later(topic("execution", row["id"]))  # for who else may wait
        finally:
            call.cancel()

    async def _done(self, row: Row, program: program_pb2.Program) -> execution_pb2.Execution | None:
        try:
            return await self._worker.do(row, program)
        except Failure as failure:
            _log.warning("an execution that was handed over: %s; its lease ends", failure)
            return None
