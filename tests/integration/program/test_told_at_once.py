"""What those hear who follow work: all that is told, and its end without waiting for the next look."""

from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import CancelEvaluationRequest
from ashgrove.program.v1.execution_requests_pb2 import CancelExecutionRequest, StreamExecutionRequest

from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program import streaming, watching
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, create_program, evaluated, evaluation, working
from tests.integration.program.test_bounded_executions import asked


@pytest.fixture(autouse=True)
def hints_alone(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has whoever follows look again at hints alone, which arrive: a broker may drop them, and nobody waits so long."""
    hints = bench.engine.hints

    async def told(topic: str) -> None:
        hints.wake(topic)

    monkeypatch.setattr(hints, "publish", told)
    monkeypatch.setattr(hints, "_alive", True)
    for following in (watching, streaming):
        monkeypatch.setattr(following, "_LOOK_SECONDS", 3600.0)
    monkeypatch.setattr(watching, "_GATHER_SECONDS", 3600.0)


async def test_the_end_of_an_evaluation_is_told_at_once(bench: Workbench, workshop: Workshop) -> None:
    """It does not wait until results have gathered."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(workshop):
        results, ended = await evaluated(bench, evaluation(made, dataset))
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and len(results) == 12


async def test_what_is_told_of_an_evaluation_while_somebody_looks_is_heard(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look that is under way need not have seen it."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    look = watching._look

    async def overtaken(*asked: Any, **how: Any) -> Any:
        found = await look(*asked, **how)
        await bench.do("CancelEvaluation", CancelEvaluationRequest(id=request.evaluation_id))
        return found

    monkeypatch.setattr(watching, "_look", overtaken)
    _, ended = await evaluated(bench, request)
    assert ended.status == execution_pb2.WORK_STATUS_CANCELLED


async def test_what_is_told_of_an_execution_while_somebody_looks_is_heard(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same."""
    request = asked(await create_program(bench), detached=True, streamed=True)
    begun = await bench.do("ExecuteProgram", request)
    look = streaming._look

    async def overtaken(*asked: Any) -> Any:
        found = await look(*asked)
        await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))
        return found

    monkeypatch.setattr(streaming, "_look", overtaken)
    frames = [frame async for frame in bench.frames("StreamExecution", StreamExecutionRequest(id=begun.id))]
    assert frames[-1].execution.status == execution_pb2.WORK_STATUS_CANCELLED
