"""Many inputs of one program in one call: each an execution of its own, with its own end or its own error."""

import asyncio
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import BatchExecuteProgramRequest, BatchExecuteProgramResponse
from ashgrove.program.v1.execution_requests_pb2 import ListExecutionsRequest
from ashgrove.resource.v1.requests_pb2 import ActRequest
from google.rpc.error_details_pb2 import BadRequest

from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted
from framework.structs import struct_of
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_program, working

_COMPLETED = execution_pb2.WORK_STATUS_COMPLETED


def batch(program: Any, *inputs: dict[str, Any], **fields: Any) -> BatchExecuteProgramRequest:
    """A request to run a program on some inputs."""
    given = [struct_of(each) for each in inputs]
    return BatchExecuteProgramRequest(program_id=program.id, inputs=given, **fields)


async def count(bench: Workbench) -> int:
    """How many executions there are."""
    return len((await bench.do("ListExecutions", ListExecutionsRequest(page_size=1000))).executions)


async def test_each_of_many_inputs_has_its_own_end_or_error(bench: Workbench, workshop: Workshop) -> None:
    """In their order; what is wrong with one is told with its place, and keeps no other from running."""
    program = await create_program(bench)
    request = batch(program, {"text": "hav och"}, {"txet": "?"}, {"text": "und"}, request_id="once")
    async with working(workshop):
        first, again = await asyncio.gather(*(bench.do("BatchExecuteProgram", request) for _ in range(2)))
    assert first == again and await count(bench) == 2
    ran, wrong, also = first.results
    assert [one.execution.status for one in (ran, also)] == [_COMPLETED] * 2
    assert ran.execution.inputs["text"] == "hav och" and ran.execution.id < also.execution.id
    assert ran.execution.outputs["language"] and not wrong.HasField("execution")
    (told,) = [detail for detail in wrong.error.details if detail.Is(BadRequest.DESCRIPTOR)]
    bad = BadRequest()
    told.Unpack(bad)
    assert {v.field for v in bad.field_violations} == {"inputs[1].text", "inputs[1].txet"}


async def test_a_detached_batch_is_answered_at_once_and_a_tried_one_runs_nothing(bench: Workbench) -> None:
    """A hundred in one call, without a worker."""
    program = await create_program(bench)
    inputs = [{"text": f"text {i}"} for i in range(100)]
    tried: BatchExecuteProgramResponse = await bench.do(
        "BatchExecuteProgram", batch(program, *inputs, validate_only=True)
    )
    assert len(tried.results) == 100 and not any(one.execution.id for one in tried.results) and not await count(bench)
    begun = await bench.do("BatchExecuteProgram", batch(program, *inputs, detached=True))
    assert {one.execution.status for one in begun.results} == {execution_pb2.WORK_STATUS_PENDING}
    assert [one.execution.inputs["text"] for one in begun.results] == [each["text"] for each in inputs]
    with pytest.raises(InvalidFields):
        await bench.do("BatchExecuteProgram", batch(program, *inputs, {"text": "one more"}, detached=True))
    with pytest.raises(InvalidFields):
        await bench.do("BatchExecuteProgram", batch(program, detached=True))


async def test_what_all_share_is_refused_for_all(bench: Workbench) -> None:
    """A wrong configuration, an archived program, one of somebody else; nothing is left behind."""
    program = await create_program(bench)
    wrong = batch(program, {"text": "a"}, configuration=struct_of({"temperature": 9}))
    with pytest.raises(InvalidFields):
        await bench.do("BatchExecuteProgram", wrong)
    sound = batch(program, {"text": "a"}, detached=True)
    with pytest.raises(NotFound):
        await bench.do("BatchExecuteProgram", sound, bench.colleague)
    with pytest.raises(NotPermitted):
        await bench.do("BatchExecuteProgram", sound, bench.viewer)
    await bench.do("ArchiveProgram", ActRequest(id=program.id))
    with pytest.raises(IllegalState):
        await bench.do("BatchExecuteProgram", sound)
    assert not await count(bench)
