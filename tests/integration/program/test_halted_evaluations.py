"""Evaluations that are cancelled or paused in their middle: what was finished stays, and is not paid for again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CancelEvaluationRequest,
    EvaluateProgramRequest,
    GetEvaluationRequest,
    PauseEvaluationRequest,
)

from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.results import Results
from services.program.working import Workshop
from tests.integration.program.gates import Gate, at_rest, finished, in_its_middle, paused
from tests.integration.program.making import (
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    frames,
    results_of,
    working,
)


async def test_a_cancelled_evaluation_stops_in_its_middle_and_keeps_what_was_finished(
    bench: Workbench, workshop: Workshop
) -> None:
    """Also the examples in flight are dropped; cancelling twice is no error; the worker is free for other work."""
    async with in_its_middle(bench, workshop, free=5, at_once=1) as (gate, request, stream):
        cancel = CancelEvaluationRequest(id=request.evaluation_id)
        stopped = await bench.do("CancelEvaluation", cancel)
        results, ended = await stream
        assert ended.status == stopped.status == execution_pb2.WORK_STATUS_CANCELLED
        assert len(results) == ended.finished_count == 5
        assert await bench.do("CancelEvaluation", cancel) == ended
        gate.free = 1000
        once_more = EvaluateProgramRequest.FromString(request.SerializeToString())
        once_more.evaluation_id = str(new_id())
        _, other = await evaluated(bench, once_more)
    assert other.status == execution_pb2.WORK_STATUS_COMPLETED
    assert len(await results_of(bench, request.evaluation_id)) == 5
    assert len(gate.inputs) == 5 + 12


async def test_an_evaluation_of_a_run_that_nobody_attends_is_paused_until_somebody_comes_back(
    bench: Workbench, workshop: Workshop
) -> None:
    """After a minute without anybody attached; evaluations of people go on, and cannot claim to be of a run."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=2)
    request = evaluation(made, dataset, evaluation_id=str(new_id()), run_id=str(new_id()))
    with pytest.raises(InvalidFields):
        await evaluated(bench, request)
    bench.user = replace(bench.user, delegate="optimizer")
    async for _ in frames(bench, request):
        break
    get = GetEvaluationRequest(id=request.evaluation_id)
    async with working(replace(workshop, prepare=gate.prepare)):
        await until(lambda: finished(bench, request.evaluation_id, 2))
        async with bench.database.system() as tx:
            await tx.execute(
                "UPDATE evaluations SET attached_at = clock_timestamp() - interval '61 seconds' WHERE id = %(id)s",
                {"id": request.evaluation_id},
            )
        await until(lambda: paused(bench, get))
        await until(lambda: at_rest(gate))
        gate.opened.set()
        results, ended = await evaluated(bench, request)
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and not ended.error
    assert len(results) == 12 == len(gate.inputs)


async def test_a_paused_evaluation_keeps_what_was_finished_and_attaching_goes_on_with_the_rest(
    bench: Workbench, workshop: Workshop
) -> None:
    """Whoever listens hears of the pause; pausing twice is no error; nothing finished is run again."""
    async with in_its_middle(bench, workshop, free=5, at_once=2) as (gate, request, stream):
        pause = PauseEvaluationRequest(id=request.evaluation_id)
        told = await bench.do("PauseEvaluation", pause)
        before, halted = await stream
        assert halted == told == await bench.do("PauseEvaluation", pause)
        assert halted.status == execution_pb2.WORK_STATUS_PAUSED and not halted.HasField("completed_at")
        assert len(before) == halted.finished_count == 5
        gate.free = 1000
        results, ended = await evaluated(bench, request)
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert results[:5] == before and len({r.example_id for r in results}) == 12 == len(gate.inputs)
    assert await bench.do("PauseEvaluation", pause) == ended


async def test_what_is_answered_as_a_pause_comes_is_kept_and_not_paid_for_again(
    bench: Workbench, workshop: Workshop
) -> None:
    """The worker that the pause took it from writes it down, and begins nothing more once it knows."""
    async with in_its_middle(bench, workshop, free=3, at_once=1) as (gate, request, stream):
        await bench.do("PauseEvaluation", PauseEvaluationRequest(id=request.evaluation_id))
        gate.opened.set()  # at once: before the worker has looked
        await stream
        _, ended = await evaluated(bench, request)
    assert ended.finished_count == 12 == len(gate.inputs)


async def test_a_result_whose_commit_is_under_way_survives_a_pause_and_the_end_of_its_worker(
    bench: Workbench, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the worker is stopped: the commit comes to its end, and no example is asked twice."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate, begun, may = Gate(workshop.prepare, free=1), asyncio.Event(), asyncio.Event()
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    keep = Results.keep

    async def slowly(self: Results, *arguments: Any, **told: Any) -> None:
        begun.set()
        await may.wait()
        await keep(self, *arguments, **told)

    async def stopping() -> None:
        async with working(replace(workshop, prepare=gate.prepare, at_once=2)):
            await begun.wait()
            await bench.do("PauseEvaluation", PauseEvaluationRequest(id=request.evaluation_id))
            await until(lambda: at_rest(gate))

    with monkeypatch.context() as patched:
        patched.setattr(Results, "keep", slowly)
        stream = asyncio.create_task(evaluated(bench, request))
        stopped = asyncio.create_task(stopping())
        await stream
        await asyncio.sleep(0)
        may.set()
        await stopped
    gate.free = 1000
    async with working(replace(workshop, prepare=gate.prepare)):
        results, ended = await evaluated(bench, request)
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and len(results) == 12 == len(gate.inputs)
