"""Evaluations: created or attached to, streamed, taken over, cancelled; no finished example is paid twice."""

from ashgrove.program.v1 import execution_pb2

from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, create_program, evaluated, evaluation, results_of, working


async def test_an_evaluation_runs_every_example_of_its_split_once(bench: Workbench, workshop: Workshop) -> None:
    """Sequences have no gap, counts and means fit the results, and the program remembers its scores."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(workshop):
        results, ended = await evaluated(bench, evaluation(made, dataset))
    assert [r.sequence for r in results] == list(range(1, 13))
    assert len({r.example_id for r in results}) == 12
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert (ended.example_count, ended.finished_count, ended.failed_count) == (12, 12, 0)
    assert ended.scores["exact_match"] == sum(r.scores["exact_match"] for r in results) / 12 > 0.5
    assert ended.input_tokens == sum(r.input_tokens for r in results) > 0
    assert results == await results_of(bench, ended.id)
