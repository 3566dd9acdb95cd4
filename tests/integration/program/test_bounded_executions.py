"""Executions that are bounded: by time, by money, by a cancellation in mid call; and those that need not be run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import connector_pb2, execution_pb2
from ashgrove.program.v1.execution_requests_pb2 import (
    CancelExecutionRequest,
    ExecuteProgramRequest,
    GetExecutionRequest,
    GetExecutionStepsRequest,
)
from ashgrove.resource.v1.requests_pb2 import ListRequest

from framework.errors import InvalidFields
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.connecting import SV, connected, connector, create_connector
from tests.integration.program.making import create_custom, create_program, working
from tests.models import ModelServer, Say, Stall


@pytest.fixture
async def bounded(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[Workshop]:
    """A workshop with a worker, and a connector called `fast`."""
    async with connected(bench, workshop, tmp_path) as made, working(made):
        await create_connector(bench, connector(models))
        yield made


def asked(program: Any, **fields: Any) -> ExecuteProgramRequest:
    """A request to run a program through the connector."""
    configuration = fields.pop("configuration", {"model": "fast", "max_tokens": 100})
    request = ExecuteProgramRequest(program_id=program.id, **fields)
    request.inputs.update({"text": "hav och fjäll"})
    request.configuration.update(configuration)
    return request


async def tells_what_was_stopped(bench: Workbench, bounded: Workshop, identifier: str) -> None:
    """Looks that an execution, its one step and the books say the same of a call that was stopped in its middle."""
    assert bounded.desk is not None
    await bounded.desk.gate.books.written()
    done = await bench.do("GetExecution", GetExecutionRequest(id=identifier))
    (step,) = (await bench.do("GetExecutionSteps", GetExecutionStepsRequest(id=identifier))).steps
    (call,) = (await bench.do("ListModelCalls", ListRequest())).model_calls
    assert done.cost_incomplete and step.estimated and call.estimated
    assert step.error_class == execution_pb2.ERROR_CLASS_CANCELLED and "stopped" in step.error
    assert done.input_tokens == step.input_tokens == call.input_tokens > 0
    assert done.output_tokens == step.output_tokens == call.output_tokens > 0
    assert done.latency_ms == step.latency_ms == call.latency_ms > 0
    assert step.cost_nanos == call.cost_nanos and done.cost_micros == -(-call.cost_nanos // 1000)


async def test_a_cancellation_ends_a_model_call_in_its_middle(
    bench: Workbench, bounded: Workshop, models: ModelServer
) -> None:
    """The endpoint sees its caller leave; what the call may have cost is told, once and for all."""
    models.otherwise = Stall()
    begun = await bench.do("ExecuteProgram", asked(await create_program(bench), detached=True))
    assert begun.status == execution_pb2.WORK_STATUS_PENDING
    await models.arrived.wait()
    ended = await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))
    assert ended.status == execution_pb2.WORK_STATUS_CANCELLED
    assert ended.error_class == execution_pb2.ERROR_CLASS_CANCELLED
    while not models.left:  # noqa: ASYNC110 - the server learns of it in its own time
        await asyncio.sleep(0.01)

    async def told() -> bool:
        return bool((await bench.do("GetExecution", GetExecutionRequest(id=begun.id))).cost_micros)

    await until(told)
    await tells_what_was_stopped(bench, bounded, begun.id)
    (call,) = (await bench.do("ListModelCalls", ListRequest())).model_calls
    assert call.estimated and call.error_class == "CANCELLED" and call.status == connector_pb2.ModelCall.STATUS_SETTLED
    again = await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))
    assert again.completed_at == ended.completed_at


async def test_a_limit_of_cost_is_kept_and_what_has_no_price_is_not_begun(
    bench: Workbench, bounded: Workshop, models: ModelServer
) -> None:
    """A retry that would not fit is not made; custom code takes no such limit; the local model does."""
    program = await create_program(bench)
    models.otherwise = Say("no shape", usage={"prompt_tokens": 100, "completion_tokens": 100})
    tries = {"model": "fast", "max_tokens": 100, "parse_attempts": 5}
    done = await bench.do("ExecuteProgram", asked(program, max_cost_micros=1_500, configuration=tries))
    assert done.error_class == execution_pb2.ERROR_CLASS_BUDGET and 500 <= done.cost_micros <= 1_500
    assert 1 <= len(models.requests) < 5
    free = connector(models, "free")
    del free.prices[:]
    await create_connector(bench, free)
    models.requests.clear()
    done = await bench.do("ExecuteProgram", asked(program, max_cost_micros=10**6, configuration={"model": "free"}))
    assert done.error_class == execution_pb2.ERROR_CLASS_BUDGET and not models.requests and "price" in done.error
    models.otherwise = Say(SV)
    done = await bench.do("ExecuteProgram", asked(program, configuration={"model": "free"}))
    assert done.outputs["language"] == "sv" and done.cost_incomplete and done.cost_micros == 0
    for most, error in ((10, execution_pb2.ERROR_CLASS_BUDGET), (10**6, execution_pb2.ERROR_CLASS_UNSPECIFIED)):
        done = await bench.do("ExecuteProgram", asked(program, max_cost_micros=most, configuration={}))
        assert done.error_class == error


async def test_a_run_that_takes_too_long_ends(bench: Workbench, bounded: Workshop, models: ModelServer) -> None:
    """However often its calls would be tried again; what it took until then is told as for any other."""
    models.otherwise = Stall()
    done = await bench.do("ExecuteProgram", asked(await create_program(bench), timeout_ms=3000))
    assert done.error_class == execution_pb2.ERROR_CLASS_TIMEOUT and done.cost_micros > 0 and done.timeout_ms == 3000
    await tells_what_was_stopped(bench, bounded, done.id)


async def test_what_ran_before_need_not_run_again(bench: Workbench, bounded: Workshop, models: ModelServer) -> None:
    """Only for the very same request of the organization, only when asked for; each value says who set it."""
    models.otherwise = Say(SV)
    program = await create_program(bench)
    first = await bench.do("ExecuteProgram", asked(program))
    second = await bench.do("ExecuteProgram", asked(program, allow_cached=True))
    assert second.cached and second.outputs == first.outputs and second.cost_micros == 0 and len(models.requests) == 1
    assert not (await bench.do("ExecuteProgram", asked(program))).cached
    assert not (await bench.do("ExecuteProgram", asked(program, allow_cached=True, seed=4))).cached
    sources = {each.name: each.source for each in first.effective_configuration}
    assert sources["model"] == execution_pb2.EffectiveValue.SOURCE_CALL
    assert sources["temperature"] == execution_pb2.EffectiveValue.SOURCE_SYSTEM


async def test_custom_code_takes_no_limit_of_cost(bench: Workbench, coded: Workshop) -> None:
    """Nobody sees the calls that it makes."""
    program = await create_custom(bench, "echo@1")
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ExecuteProgram", asked(program, max_cost_micros=5, configuration={}))
    assert [v.path for v in refused.value.violations] == ["max_cost_micros"]
