"""Executions that go from the API to a worker past the database: the same as others, whatever is lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.execution_requests_pb2 import CancelExecutionRequest
from ashgrove.program.v1.program_internal_service_pb2 import TakeExecutionsRequest
from grpc import StatusCode, aio

from framework.call import service_actor
from framework.errors import DependencyUnavailable
from framework.tasks import stopped
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.handing import Waiting
from services.program.known import Known
from services.program.lm.engine import ModelSettings
from services.program.worker import Worker
from services.program.working import Workshop
from tests.integration.program.making import create_program, handing, working
from tests.integration.program.test_bounded_executions import asked
from tests.integration.program.test_keeping import NEVER, row_of


@pytest.fixture
async def taken(bench: Workbench) -> AsyncIterator[Any]:
    """What makes a worker take what is handed over, by a real port."""
    bench.engine.application = SimpleNamespace(models=ModelSettings(), waiting=Waiting(), known=Known())
    async with handing(bench) as made:
        yield made
    bench.engine.application = None


@asynccontextmanager
async def taking(bench: Workbench, made: Any, workshop: Workshop) -> AsyncIterator[None]:
    """A worker that does nothing but take, for the length of a block."""
    task = asyncio.create_task(made.of(Worker(workshop)).run())
    try:
        await until(lambda: _idle(bench))
        yield
    finally:
        await stopped([task])


@asynccontextmanager
async def in_the_middle(bench: Workbench, workshop: Workshop, made: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """Somebody who waits for an execution whose worker is in its middle, and comes no further."""
    program, begun = await create_program(bench), asyncio.Event()

    async def prepare(*_: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async with taking(bench, made, replace(workshop, prepare=prepare)):
        asking = asyncio.create_task(bench.do("ExecuteProgram", asked(program, configuration={})))
        await begun.wait()
        yield asking


async def _idle(bench: Workbench) -> bool:
    return bool(bench.engine.application.waiting)


async def _none_idle(bench: Workbench) -> bool:
    return not bench.engine.application.waiting


async def test_whoever_waits_is_told_what_the_worker_wrote_down(
    bench: Workbench, workshop: Workshop, taken: Any
) -> None:
    """Nobody looks for work in the database here; what is told is what a later read of the same request tells."""
    program = await create_program(bench)
    async with taking(bench, taken, workshop):
        done = await bench.do("ExecuteProgram", asked(program, configuration={}, request_id="once"))
        assert done.status == execution_pb2.WORK_STATUS_COMPLETED and done.outputs["language"]
        assert await bench.do("ExecuteProgram", asked(program, configuration={}, request_id="once")) == done
    row = await row_of(bench, done.id)
    assert row["fencing_token"] == 1 and row["started_at"] <= row["completed_at"]
    told = [each["type"] for each in await bench.events() if each.get("resource_id") == done.id]
    assert told == ["execution.created", "execution.updated"]


async def test_what_is_not_kept_is_handed_over_and_told_and_rests_nowhere(
    bench: Workbench, workshop: Workshop, taken: Any
) -> None:
    """The worker is given the inputs that the row only holds, and forgets them with its last statement."""
    program = await create_program(bench, execution_retention=NEVER)
    async with taking(bench, taken, workshop):
        done = await bench.do("ExecuteProgram", asked(program, configuration={}))
    row = await row_of(bench, done.id)
    assert done.outputs["language"] and row["outputs"] is None and row["outputs_held"]
    assert row["inputs"] is None and row["inputs_held"] is None


async def test_what_a_lost_worker_was_handed_another_one_does(bench: Workbench, workshop: Workshop, taken: Any) -> None:
    """The worker leaves with it and without a word: its lease ends, and the caller hears of it all the same."""
    program = await create_program(bench)
    call = taken.stub.TakeExecutions(metadata=taken.as_actor(service_actor("program")))
    await call.write(TakeExecutionsRequest())
    await until(lambda: _idle(bench))
    asking = asyncio.create_task(bench.do("ExecuteProgram", asked(program, configuration={})))
    await call.read()
    call.cancel()
    async with bench.database.system() as tx:
        await tx.execute("UPDATE executions SET lease_until = now() WHERE status = 'WORK_STATUS_RUNNING'")
    async with working(workshop):
        done = await asking
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED
    assert (await row_of(bench, done.id))["fencing_token"] == 2


async def test_once_its_worker_has_left_work_is_left_in_the_database(
    bench: Workbench, workshop: Workshop, taken: Any
) -> None:
    """Whoever waited for it and waits no longer is given nothing; so it is with what is too large to be handed over."""
    program = await create_program(bench)
    async with taking(bench, taken, workshop):
        pass
    await until(lambda: _none_idle(bench))
    async with working(workshop):
        done = await bench.do("ExecuteProgram", asked(program, configuration={}))
        assert done.status == execution_pb2.WORK_STATUS_COMPLETED
        async with taking(bench, taken, workshop):
            request = asked(program, configuration={})
            request.inputs.update({"text": "och " * 800_000})
            large = await bench.do("ExecuteProgram", request)
    tokens = [(await row_of(bench, each.id))["fencing_token"] for each in (done, large)]
    assert large.status == execution_pb2.WORK_STATUS_COMPLETED and tokens == [1, 2]


async def test_an_execution_that_was_handed_over_can_be_cancelled(
    bench: Workbench, workshop: Workshop, taken: Any
) -> None:
    """Its worker stops in its middle, and whoever asked for it hears that it was stopped."""
    async with in_the_middle(bench, workshop, taken) as asking:
        (row,) = await bench.database.once("SELECT id FROM executions WHERE status = 'WORK_STATUS_RUNNING'")
        await bench.do("CancelExecution", CancelExecutionRequest(id=str(row["id"])))
        assert (await asking).status == execution_pb2.WORK_STATUS_CANCELLED


async def test_an_execution_that_the_database_lost_is_one_to_ask_for_again(
    bench: Workbench, workshop: Workshop, taken: Any
) -> None:
    """One that is waited for is not yet durable; it is not denied as to somebody who may not see it."""
    async with in_the_middle(bench, workshop, taken) as asking:
        await bench.database.once("DELETE FROM executions WHERE status = 'WORK_STATUS_RUNNING' RETURNING id")
        with pytest.raises(DependencyUnavailable, match="ask again"):
            await asking


async def test_what_is_only_rehearsed_is_handed_to_nobody(bench: Workbench, workshop: Workshop, taken: Any) -> None:
    """And told as it would be asked for: it waits, and has not begun."""
    request = asked(await create_program(bench), configuration={}, validate_only=True)
    async with taking(bench, taken, workshop):
        told = await bench.do("ExecuteProgram", request)
        assert await _idle(bench)
    assert told.status == execution_pb2.WORK_STATUS_PENDING and not told.HasField("started_at")


async def test_nothing_is_handed_to_anybody_else(bench: Workbench, taken: Any) -> None:
    """Neither to users nor to other services: what is handed over is every organization's."""
    for actor in (bench.admin, service_actor("optimizer")):
        # It asks for nothing: gRPC has a word of its own for what is sent to somebody who has refused already.
        call = taken.stub.TakeExecutions(metadata=taken.as_actor(actor))
        with pytest.raises(aio.AioRpcError) as refused:
            await call.read()
        assert refused.value.code() == StatusCode.PERMISSION_DENIED
