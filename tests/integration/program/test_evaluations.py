"""Evaluations: created or attached to, streamed, taken over, cancelled; no finished example is paid twice."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1 import program_service_pb2 as rpc

from framework.errors import AlreadyExists, IllegalState, InvalidFields, NotFound, NotPermitted
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program.running import ModelAway, ModelRejected, Outcome, PrepareRunner, Run
from services.program.working import Workshop
from tests.integration.program.making import (
    add,
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    example,
    frames,
    results_of,
    working,
)


class Gate:
    """Counts the runs that pass it and holds all after the first few until it is opened."""

    def __init__(self, inner: PrepareRunner, free: int) -> None:
        self.inner = inner
        self.free = free
        self.inputs: list[str] = []
        self.full = asyncio.Event()
        self.opened = asyncio.Event()

    async def prepare(self, program: program_pb2.Program, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
        """Prepares the real runner behind the gate."""
        inner = await self.inner(program, configuration, train)

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            if len(self.inputs) >= self.free:
                self.full.set()
                await self.opened.wait()
            self.inputs.append(inputs["text"])
            return await inner(inputs, seed)

        return run


async def test_an_evaluation_runs_every_example_of_its_split_once(bench: Workbench, workshop: Workshop) -> None:
    """Sequences have no gap, counts and means fit the results, and the program remembers its scores."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(workshop):
        results, ended = await evaluated(bench, evaluation(made, dataset, metrics=["exact_match", "token_f1"]))
    assert [r.sequence for r in results] == list(range(1, 13))
    assert len({r.example_id for r in results}) == 12
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert (ended.example_count, ended.finished_count, ended.failed_count) == (12, 12, 0)
    assert ended.scores["exact_match"] == pytest.approx(sum(r.scores["exact_match"] for r in results) / 12)
    assert ended.scores["exact_match"] > 0.5
    assert ended.input_tokens == sum(r.input_tokens for r in results) > 0
    assert results == await results_of(bench, ended.id)
    now = await bench.do("GetProgram", rpc.GetProgramRequest(id=made.id))
    assert now.performance_metrics.evaluation_id == ended.id
    assert now.performance_metrics.scores == ended.scores
    assert now.revision == 1


async def test_the_first_and_the_last_frame_carry_the_evaluation(bench: Workbench, workshop: Workshop) -> None:
    """So that a caller knows at once what it is attached to, and at last how it ended."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(workshop):
        seen = [frame async for frame in frames(bench, evaluation(made, dataset))]
    assert seen[0].evaluation.example_count == 12
    assert seen[-1].HasField("end") and seen[-1].evaluation.status == execution_pb2.WORK_STATUS_COMPLETED
    assert not any(frame.HasField("evaluation") for frame in seen[1:-1])


async def test_two_callers_with_one_id_attach_to_the_same_work(bench: Workbench, workshop: Workshop) -> None:
    """Both see every result; the examples are run once."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=1000)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=gate.prepare)):
        (first, _), (second, _) = await asyncio.gather(evaluated(bench, request), evaluated(bench, request))
    assert first == second and len(first) == 12 == len(gate.inputs)


async def test_a_stream_resumes_after_a_sequence_without_a_gap(bench: Workbench, workshop: Workshop) -> None:
    """Leaving does not stop the work, and coming back gets what was missed and nothing twice."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(workshop):
        async for frame in frames(bench, request):
            if frame.item.sequence == 3:
                break
        request.from_sequence = 3
        results, ended = await evaluated(bench, request)
    assert [r.sequence for r in results] == list(range(4, 13))
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 7},
        {"metrics": ["token_f1"]},
        {"split": dataset_pb2.SPLIT_TRAIN},
        {"configuration": {"demonstration_count": 5}},
        {"program_revision": 2},
        {"dataset_revision": 1},
    ],
)
async def test_an_id_names_one_evaluation_only(bench: Workbench, change: dict[str, Any]) -> None:
    """Asking with it for something else is ALREADY_EXISTS, naming what differs."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    identifier = str(new_id())
    async for _ in frames(bench, evaluation(made, dataset, evaluation_id=identifier)):
        break
    other = evaluation(made, dataset, evaluation_id=identifier)
    configuration = change.pop("configuration", None)
    if configuration:
        other.configuration.update(configuration)
    for name, value in change.items():
        if isinstance(value, list):
            other.metrics.extend(value)
        else:
            setattr(other, name, value)
    with pytest.raises(AlreadyExists) as refused:
        await evaluated(bench, other)
    assert refused.value.metadata["fields"] in {*change, "configuration"}


async def test_a_takeover_runs_only_what_is_not_finished(bench: Workbench, workshop: Workshop) -> None:
    """A worker that stalls loses its lease: another finishes, no finished example is run again, late writes are void."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    stalled, fresh = Gate(workshop.prepare, free=5), Gate(workshop.prepare, free=1000)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=stalled.prepare, at_once=2), "stalled"):
        stream = asyncio.create_task(evaluated(bench, request))
        await stalled.full.wait()
        while len(await results_of(bench, request.evaluation_id)) < 5:
            await asyncio.sleep(0.01)
        await expire(bench, request.evaluation_id)
        async with working(replace(workshop, prepare=fresh.prepare), "fresh"):
            results, ended = await stream
        stalled.opened.set()
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert len(fresh.inputs) == 7 and not set(fresh.inputs) & set(stalled.inputs[:5])
    assert [r.sequence for r in results] == list(range(1, 13))
    assert len({r.example_id for r in results}) == 12
    assert results == await results_of(bench, request.evaluation_id)


async def expire(bench: Workbench, identifier: str) -> None:
    """Lets the lease of an evaluation run out, and the one who holds it not know."""
    async with bench.database.system() as tx:
        await tx.execute(
            "UPDATE evaluations SET lease_until = clock_timestamp() - interval '1 second' WHERE id = %(id)s",
            {"id": identifier},
        )


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


async def test_a_cancelled_evaluation_stops_in_its_middle_and_keeps_what_was_finished(
    bench: Workbench, workshop: Workshop
) -> None:
    """Also the examples in flight are dropped; cancelling twice is no error; the worker is free for other work."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=5)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=gate.prepare, at_once=1)):
        stream = asyncio.create_task(evaluated(bench, request))
        await gate.full.wait()
        cancel = rpc.CancelEvaluationRequest(id=request.evaluation_id)
        cancelled = await bench.do("CancelEvaluation", cancel)
        results, ended = await stream
        assert ended.status == cancelled.status == execution_pb2.WORK_STATUS_CANCELLED
        assert len(results) == ended.finished_count == 5
        assert await bench.do("CancelEvaluation", cancel) == ended
        gate.free = 1000
        _, other = await evaluated(bench, evaluation(made, dataset))
    assert other.status == execution_pb2.WORK_STATUS_COMPLETED
    assert len(await results_of(bench, request.evaluation_id)) == 5
    assert len(gate.inputs) == 5 + 12


async def test_an_evaluation_of_a_run_that_nobody_attends_is_cancelled(bench: Workbench, workshop: Workshop) -> None:
    """After a minute without anybody attached; evaluations of people go on."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free=2)
    request = evaluation(made, dataset, evaluation_id=str(new_id()), run_id=str(new_id()))
    async for _ in frames(bench, request):
        break
    async with bench.database.system() as tx:
        await tx.execute(
            "UPDATE evaluations SET attached_at = clock_timestamp() - interval '61 seconds' WHERE id = %(id)s",
            {"id": request.evaluation_id},
        )
    get = rpc.GetEvaluationRequest(id=request.evaluation_id)
    async with working(replace(workshop, prepare=gate.prepare)):
        while (await bench.do("GetEvaluation", get)).status != execution_pb2.WORK_STATUS_CANCELLED:
            await asyncio.sleep(0.02)


async def test_a_model_that_stays_away_fails_the_evaluation_in_words_for_the_caller(
    bench: Workbench, workshop: Workshop
) -> None:
    """It is asked again a few times first; what was finished is kept."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    asked = []

    async def prepare(program: program_pb2.Program, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            asked.append(seed)
            raise ModelAway("the endpoint of m does not answer")

        return run

    async with working(replace(workshop, prepare=prepare, at_once=1, attempts=3)):
        results, ended = await evaluated(bench, evaluation(made, dataset))
    assert (ended.status, ended.error) == (execution_pb2.WORK_STATUS_FAILED, "the endpoint of m does not answer")
    assert results == [] and len(asked) == 3


async def test_failures_count_as_the_worst_value(bench: Workbench, workshop: Workshop) -> None:
    """The mean is over all examples; an example's failure does not end the evaluation."""
    made, dataset = await create_program(bench), await create_dataset(bench)

    async def prepare(program: program_pb2.Program, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
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
    assert ended.scores["exact_match"] == pytest.approx(3 / 12)
    assert {r.error for r in results if r.HasField("outputs")} == {""}
    assert all(r.error and r.scores["exact_match"] == 0 for r in results if not r.HasField("outputs"))


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


async def test_an_evaluation_counts_the_examples_of_its_revision_only(bench: Workbench, workshop: Workshop) -> None:
    """Examples that came later are of later revisions."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    await add(bench, dataset.id, [example(99, dataset_pb2.SPLIT_VALIDATION)])
    async with working(workshop):
        _, then = await evaluated(bench, evaluation(made, dataset, dataset_revision=dataset.revision))
        _, now = await evaluated(bench, evaluation(made, dataset))
    assert (then.finished_count, now.finished_count) == (12, 13)
    assert now.dataset_revision == dataset.revision + 1


async def test_what_cannot_be_evaluated_is_refused_with_its_path(bench: Workbench) -> None:
    """Configuration, metrics, fields, splits, revisions: each with the words that help."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    bad = evaluation(made, dataset, configuration={"temperature": 9, "demonstration_count": 1.5, "nonsense": 1})
    assert await paths(bench, bad) == {
        "configuration.temperature",
        "configuration.demonstration_count",
        "configuration.nonsense",
    }
    assert await paths(bench, evaluation(made, dataset, metrics=["exact_match", "taste"])) == {"metrics[1]"}
    nan = evaluation(made, dataset)
    nan.configuration["temperature"] = float("nan")
    assert await paths(bench, nan) == {"configuration.temperature"}
    with pytest.raises(IllegalState, match="no test examples"):
        request = evaluation(made, dataset)
        request.split = dataset_pb2.SPLIT_TEST
        await evaluated(bench, request)
    for change in ({"program_revision": 9}, {"dataset_revision": 9}):
        with pytest.raises(NotFound):
            await evaluated(bench, evaluation(made, dataset, **change))
    wider = rpc.CreateProgramRequest(program=made)
    wider.program.name = "wider"
    wider.program.signature_config.inputs.add(name="hint")
    other = await bench.do("CreateProgram", wider)
    with pytest.raises(InvalidFields, match="no input field hint"):
        await evaluated(bench, evaluation(other, dataset))


async def paths(bench: Workbench, request: rpc.EvaluateProgramRequest) -> set[str]:
    """Returns the paths of the violations of a refused request."""
    with pytest.raises(InvalidFields) as refused:
        await evaluated(bench, request)
    return {v.path for v in refused.value.violations}


async def test_an_archived_program_is_neither_executed_nor_evaluated(bench: Workbench) -> None:
    """X-25, X-21: it stays readable."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    await bench.do("ArchiveProgram", rpc.ArchiveProgramRequest(id=made.id))
    with pytest.raises(IllegalState, match="archived"):
        await evaluated(bench, evaluation(made, dataset))
    execute = rpc.ExecuteProgramRequest(program_id=made.id)
    execute.inputs.update({"text": "x"})
    with pytest.raises(IllegalState, match="archived"):
        await bench.do("ExecuteProgram", execute)


async def test_evaluations_are_seen_by_those_who_see_the_program_and_stopped_by_those_who_asked(
    bench: Workbench,
) -> None:
    """Colleagues see a public program's evaluations and may not stop them; strangers see nothing."""
    made = await create_program(bench, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    dataset = await create_dataset(bench)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async for _ in frames(bench, request):
        break
    get, cancel = rpc.GetEvaluationRequest(id=request.evaluation_id), rpc.CancelEvaluationRequest(id=request.evaluation_id)
    for reader in (bench.user, bench.colleague, bench.viewer, bench.admin):
        assert (await bench.do("GetEvaluation", get, reader)).id == request.evaluation_id
    for other in (bench.colleague, bench.viewer):
        with pytest.raises(NotPermitted):
            await bench.do("CancelEvaluation", cancel, other)
    with pytest.raises(NotPermitted):
        await evaluated(bench, request, bench.colleague)
    for stranger in (bench.elsewhere().user, bench.elsewhere().admin):
        for name, asked in (("GetEvaluation", get), ("CancelEvaluation", cancel)):
            with pytest.raises(NotFound):
                await bench.do(name, asked, stranger)
        with pytest.raises(NotFound):
            await evaluated(bench, request, stranger)
        listed = await bench.do(
            "ListEvaluationResults", rpc.ListEvaluationResultsRequest(evaluation_id=request.evaluation_id), stranger
        )
        assert not listed.evaluation_results
