"""The work on evaluations: taken over, gone on with, failed; no finished example is paid twice."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest

from framework.errors import DependencyUnavailable
from framework.identifiers import new_id
from framework.storage import Leases
from framework.tasks import stopped
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.execution_work import ExecutionWork
from services.program.results import Results
from services.program.running import ModelAway, ModelRejected, Outcome, Run
from services.program.waking import EVALUATIONS
from services.program.working import Workshop
from tests.integration.program.gates import Gate, expire, finished, in_its_middle, leased, taken_over, token, wake
from tests.integration.program.making import (
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    frames,
    results_of,
    working,
)

Configuration = Mapping[str, Any]


async def test_two_callers_with_one_id_attach_to_the_same_work(bench: Workbench, workshop: Workshop) -> None:
    """Both see every result; the examples are run once."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=1000)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=gate.prepare)):
        (first, _), (second, _) = await asyncio.gather(evaluated(bench, request), evaluated(bench, request))
    assert first == second and len(first) == 12 == len(gate.inputs)


async def test_a_takeover_runs_only_what_is_not_finished(bench: Workbench, workshop: Workshop) -> None:
    """A worker that stalls loses its lease: another finishes, what is finished stays, late writes are void."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    stalled, fresh = Gate(workshop.prepare, free=5), Gate(workshop.prepare, free=1000)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=stalled.prepare, at_once=2), "stalled"):
        stream = asyncio.create_task(evaluated(bench, request))
        await stalled.full.wait()
        await until(lambda: finished(bench, request.evaluation_id, 5))
        async with working(replace(workshop, prepare=fresh.prepare), "fresh"):
            await until(lambda: taken_over(bench, request.evaluation_id))
            results, ended = await stream
        stalled.opened.set()
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert len(fresh.inputs) == 7 and not set(fresh.inputs) & set(stalled.inputs[:5])
    assert [r.sequence for r in results] == list(range(1, 13))
    assert len({r.example_id for r in results}) == 12
    assert results == await results_of(bench, request.evaluation_id)


async def test_a_worker_whose_lease_ended_while_the_database_was_away_goes_on_with_its_own_work(
    bench: Workbench, workshop: Workshop
) -> None:
    """It renews its lease before another of its places would begin anew: nothing answered is asked again."""
    async with in_its_middle(bench, workshop, free=5, at_once=2) as (gate, request, stream):
        await expire(bench, request.evaluation_id)
        await wake(bench)
        await until(lambda: leased(bench, request.evaluation_id))
        gate.opened.set()
        _, ended = await stream
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and await token(bench, request.evaluation_id) == 1


async def test_every_lease_is_left_for_a_while_once_the_database_has_started(bench: Workbench) -> None:
    """However long it was away, nobody begins anew what its worker may renew; what nobody holds is free at once."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    is_it = f"id = '{request.evaluation_id}'"
    settled = Leases(bench.database, EVALUATIONS, is_it)
    started_just_now = Leases(bench.database, EVALUATIONS, is_it, grace_seconds=10**9)
    stream = asyncio.create_task(evaluated(bench, request))

    async def claimed() -> bool:
        return await started_just_now.claim("one") is not None

    await until(claimed)
    await expire(bench, request.evaluation_id)
    assert await started_just_now.claim("another") is None
    assert await settled.claim("another") is not None
    await stopped([stream])


async def test_a_worker_that_is_told_to_stop_leaves_its_work_to_others_at_once(
    bench: Workbench, workshop: Workshop
) -> None:
    """The lease is released, not left to run out."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=2)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    stream = asyncio.create_task(evaluated(bench, request))
    async with working(replace(workshop, prepare=gate.prepare)):
        await gate.full.wait()
    async with working(workshop):
        results, ended = await stream
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and len(results) == 12


async def test_whoever_asks_for_an_evaluation_does_not_hide_it_from_the_workers(bench: Workbench) -> None:
    """They pass over rows that somebody writes: what was attached to just now is not written again, other is."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))

    async def written_by_attaching(earlier: str) -> bool:
        names = {"id": request.evaluation_id, "earlier": earlier}
        when = "clock_timestamp() - %(earlier)s::interval"
        set_ = f"UPDATE evaluations SET attached_at = {when} WHERE id = %(id)s RETURNING attached_at"
        (before,) = await bench.database.once(set_, names)
        async for _ in frames(bench, request):
            break
        (after,) = await bench.database.once("SELECT attached_at FROM evaluations WHERE id = %(id)s", names)
        return bool(before != after)

    async for _ in frames(bench, request):
        break
    # A minute to come, so that no pause of this machine makes it long ago.
    assert [await written_by_attaching(earlier) for earlier in ("-1 minute", "2 seconds")] == [False, True]


async def test_a_model_that_stays_away_fails_the_evaluation_in_words_for_the_caller(
    bench: Workbench, workshop: Workshop
) -> None:
    """The call was tried as often as it may be by then: an example is not begun again, and none is after it."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    asked = []

    async def prepare(program: program_pb2.Program, configuration: Configuration, train: Sequence[Any]) -> Run:
        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            asked.append(seed)
            raise ModelAway("the endpoint of m does not answer")

        return run

    async with working(replace(workshop, prepare=prepare, at_once=1)):
        results, ended = await evaluated(bench, evaluation(made, dataset))
    assert (ended.status, ended.error) == (execution_pb2.WORK_STATUS_FAILED, "the endpoint of m does not answer")
    assert results == [] and len(asked) == 1
    assert ended.error_class == execution_pb2.ERROR_CLASS_MODEL_UNAVAILABLE


async def test_failures_are_failures_and_no_zeros(bench: Workbench, workshop: Workshop) -> None:
    """The mean is over what was answered; an example's failure does not end the evaluation."""
    made, dataset = await create_program(bench), await create_dataset(bench)

    async def prepare(program: program_pb2.Program, configuration: Configuration, train: Sequence[Any]) -> Run:
        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            if " och " in inputs["text"]:
                return Outcome({"language": "sv"})
            if " und " in inputs["text"]:
                return Outcome({"language": "de\x00"})
            raise ModelRejected("too long")

        return run

    async with working(replace(workshop, prepare=prepare, at_once=1)):
        results, ended = await evaluated(bench, evaluation(made, dataset))
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert (ended.finished_count, ended.failed_count) == (12, 9)
    assert ended.scores["exact_match"] == 1.0
    assert {r.error for r in results if r.HasField("outputs")} == {""}
    kinds = {r.error_class for r in results if r.error}
    assert kinds == {execution_pb2.ERROR_CLASS_MODEL_REFUSED, execution_pb2.ERROR_CLASS_BAD_OUTPUT}
    assert all(r.error and not r.scores for r in results if not r.HasField("outputs"))


async def test_a_seed_gives_the_same_outputs_whoever_runs_it(bench: Workbench, workshop: Workshop) -> None:
    """Each example's seed depends on the evaluation's seed and the example's place, not on who is at it."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    wanted = {"temperature": 1.5, "demonstration_count": 8}
    outputs = []
    for at_once in (1, 5):
        async with working(replace(workshop, at_once=at_once)):
            results, _ = await evaluated(bench, evaluation(made, dataset, configuration=wanted, seed=11))
        outputs.append({r.example_id: r.outputs["language"] for r in results})
    assert outputs[0] == outputs[1]


async def test_what_is_paid_for_is_kept_once_though_the_database_gave_no_answer(
    bench: Workbench, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results and an execution's answer: written again until it is certain, and asked of the model once."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate, lost = Gate(workshop.prepare, free=1000), ["a result", "an answer"]

    def without_answer(write: Any) -> Any:
        async def written(self: Any, *arguments: Any, **told: Any) -> None:
            await write(self, *arguments, **told)
            if lost:
                raise DependencyUnavailable(f"the database did not answer: {lost.pop(0)}", service="database")

        return written

    async with working(replace(workshop, prepare=gate.prepare)):
        monkeypatch.setattr(Results, "keep", without_answer(Results.keep))
        results, ended = await evaluated(bench, evaluation(made, dataset))
        assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
        assert len({r.example_id for r in results}) == len(results) == 12 == len(gate.inputs)
        lost.append("the answer")
        monkeypatch.setattr(ExecutionWork, "_end", without_answer(ExecutionWork._end))
        request = ExecuteProgramRequest(program_id=made.id, dataset_id=dataset.id)
        request.inputs.update({"text": "hav och land"})
        done = await bench.do("ExecuteProgram", request)
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED and not lost
    assert len(gate.inputs) == 13
