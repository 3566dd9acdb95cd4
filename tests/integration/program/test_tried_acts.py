"""Actions of their own are tried and sent twice as the standard ones are; work is read alone and across programs."""

import asyncio
from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1.dataset_requests_pb2 import (
    BatchCreateExamplesRequest,
    GetExampleRequest,
    ListExamplesRequest,
)
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CancelEvaluationRequest,
    GetEvaluationRequest,
    GetEvaluationResultRequest,
    ListEvaluationsRequest,
    PauseEvaluationRequest,
)
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest, ListExecutionsRequest
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest, ListProgramsRequest

from framework.errors import InvalidFields, InvalidPageToken, NotFound
from framework.identifiers import new_id
from framework.tasks import stopped
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import (
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    example,
    frames,
    working,
)


async def test_a_copy_that_is_tried_is_none(bench: Workbench) -> None:
    """It has no id, for the real one will have another; its parent's stays."""
    parent = await create_program(bench)
    tried = await bench.do("CloneProgram", CloneProgramRequest(id=parent.id, new_name="copy", validate_only=True))
    assert (tried.id, tried.name, tried.parent_program_id) == ("", "copy", parent.id)
    assert len((await bench.do("ListPrograms", ListProgramsRequest())).programs) == 1


async def test_examples_that_are_tried_are_none_and_those_sent_twice_are_added_once(bench: Workbench) -> None:
    """The answer tells the dataset as it would be."""
    dataset = await create_dataset(bench, train=0, validation=0)
    asked = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], validate_only=True
    )
    tried = await bench.do("BatchCreateExamples", asked)
    assert tried.dataset.id == dataset.id and tried.dataset.revision == dataset.revision + 1
    assert [one.id for one in tried.examples] == [""]
    once = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], request_id="once"
    )
    first, again = [await bench.do("BatchCreateExamples", once) for _ in range(2)]
    assert first == again
    kept = await bench.do("ListExamples", ListExamplesRequest(dataset_id=dataset.id))
    assert [one.id for one in kept.examples] == [first.examples[0].id]


async def test_whoever_lost_what_was_acted_on_is_told_no_more_of_it(bench: Workbench) -> None:
    """The answer is kept for a day, and the right to it is looked at each time."""
    dataset = await create_dataset(bench, train=0, validation=0)
    once = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], request_id="lost"
    )
    await bench.do("BatchCreateExamples", once)
    async with bench.database.system() as tx:
        values = {"owner": bench.colleague.user_id, "id": dataset.id}
        await tx.execute("UPDATE datasets SET owner_id = %(owner)s WHERE id = %(id)s", values)
    with pytest.raises(NotFound):
        await bench.do("BatchCreateExamples", once)


def running(program: program_pb2.Program, **more: Any) -> ExecuteProgramRequest:
    """A request to run a program on one text."""
    request = ExecuteProgramRequest(program_id=program.id, **more)
    request.inputs.update({"text": "ja och nej"})
    return request


async def executions(bench: Workbench) -> list[Any]:
    return list((await bench.do("ListExecutions", ListExecutionsRequest())).executions)


async def test_an_execution_that_is_tried_is_never_run(bench: Workbench) -> None:
    """It is answered at once as it would be asked for, though no worker is there, and refused as in earnest."""
    program = await create_program(bench)
    tried = await bench.do("ExecuteProgram", running(program, validate_only=True))
    assert (tried.id, tried.status, tried.program_id) == ("", execution_pb2.WORK_STATUS_PENDING, program.id)
    with pytest.raises(InvalidFields):
        await bench.do("ExecuteProgram", ExecuteProgramRequest(program_id=program.id, inputs={}, validate_only=True))
    assert await executions(bench) == []


async def test_an_execution_that_is_sent_twice_runs_once_and_both_are_told_its_end(
    bench: Workbench, workshop: Workshop
) -> None:
    """At once or later; another request under the same id is refused."""
    program = await create_program(bench)
    both = [asyncio.create_task(bench.do("ExecuteProgram", running(program, request_id="once"))) for _ in range(2)]
    async with working(workshop):
        first, second = await asyncio.gather(*both)
        third = await bench.do("ExecuteProgram", running(program, request_id="once"))
    assert first.status == execution_pb2.WORK_STATUS_COMPLETED
    assert first == second == third
    assert [one.id for one in await executions(bench)] == [first.id]
    with pytest.raises(InvalidFields, match="another request"):
        await bench.do("ExecuteProgram", running(program, seed=7, request_id="once"))


@pytest.mark.parametrize("verb", ["Cancel", "Pause"])
async def test_an_evaluation_is_stopped_in_earnest_only(bench: Workbench, verb: str) -> None:
    """Trying says how it would stand, once done the same request is answered alike."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    request = evaluation(program, dataset, evaluation_id=str(new_id()))
    async for _ in frames(bench, request):
        break
    ask = {"Cancel": CancelEvaluationRequest, "Pause": PauseEvaluationRequest}[verb]
    stopped = {"Cancel": execution_pb2.WORK_STATUS_CANCELLED, "Pause": execution_pb2.WORK_STATUS_PAUSED}[verb]
    tried = await bench.do(f"{verb}Evaluation", ask(id=request.evaluation_id, validate_only=True))
    assert tried.status == stopped
    read = GetEvaluationRequest(id=request.evaluation_id)
    assert (await bench.do("GetEvaluation", read)).status == execution_pb2.WORK_STATUS_PENDING
    done = [await bench.do(f"{verb}Evaluation", ask(id=request.evaluation_id, request_id="once")) for _ in range(2)]
    assert done[0] == done[1] == await bench.do("GetEvaluation", read)


async def test_work_is_listed_across_programs_for_whoever_may_read_them(bench: Workbench) -> None:
    """X-73: of a private program to its owner and administrators, of a public one to the organization."""
    mine, shared = (
        await create_program(bench),
        await create_program(bench, name="shared", visibility="VISIBILITY_PUBLIC"),
    )
    dataset = await create_dataset(bench)
    for program in (mine, shared):
        async for _ in frames(bench, evaluation(program, dataset)):
            break
        task = asyncio.create_task(bench.do("ExecuteProgram", running(program)))
        await until(lambda n=program.id: _asked_for(bench, n))  # type: ignore[misc]
        await stopped([task])
    both, one = {mine.id, shared.id}, {shared.id}
    seen = {
        bench.user: both,
        bench.admin: both,
        bench.colleague: one,
        bench.viewer: one,
        bench.elsewhere().admin: set(),
    }
    for actor, expected in seen.items():
        done = await bench.do("ListExecutions", ListExecutionsRequest(show_total_size=True), actor)
        judged = await bench.do("ListEvaluations", ListEvaluationsRequest(filter="status = pending"), actor)
        assert {e.program_id for e in done.executions} == {e.program_id for e in judged.evaluations} == expected
        assert done.total_size == len(expected)
    page = await bench.do("ListExecutions", ListExecutionsRequest(page_size=1))
    narrowed = ListExecutionsRequest(page_size=1, page_token=page.next_page_token, program_id=mine.id)
    with pytest.raises(InvalidPageToken):
        await bench.do("ListExecutions", narrowed)
    narrowed.page_token = ""
    assert [e.program_id for e in (await bench.do("ListExecutions", narrowed)).executions] == [mine.id]


async def _asked_for(bench: Workbench, program: str) -> bool:
    return any(one.program_id == program for one in await executions(bench))


async def test_an_example_and_a_result_are_read_alone(bench: Workbench, workshop: Workshop) -> None:
    """By whoever may read the dataset, or the program."""
    program, dataset = await create_program(bench), await create_dataset(bench, validation=1)
    async with working(workshop):
        (result,), _ = await evaluated(bench, evaluation(program, dataset))
    asked = {
        "Example": GetExampleRequest(id=result.example_id),
        "EvaluationResult": GetEvaluationResultRequest(id=result.id),
    }
    for noun, request in asked.items():
        assert (await bench.do(f"Get{noun}", request)).id == request.id
        request.read_mask.paths.append("allowed_actions")
        assert list((await bench.do(f"Get{noun}", request)).allowed_actions) == [f"Get{noun}"]
        for stranger in (bench.colleague, bench.elsewhere().admin):
            with pytest.raises(NotFound):
                await bench.do(f"Get{noun}", request, stranger)
