"""Evaluations: created or attached to, streamed, and refused where they make no sense."""

import statistics
from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, metric_pb2, program_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CancelEvaluationRequest,
    EvaluateProgramRequest,
    GetEvaluationRequest,
    ListEvaluationResultsRequest,
    PauseEvaluationRequest,
)
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import ArchiveProgramRequest, CreateProgramRequest, GetProgramRequest

from framework.errors import AlreadyExists, IllegalState, InvalidFields, NotFound, NotPermitted
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
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
    times = [r.latency_ms for r in results]
    assert ended.latency_p50_ms == pytest.approx(statistics.median(times)) and ended.latency_p95_ms <= max(times)
    assert ended.mean_latency_ms == pytest.approx(statistics.fmean(times))
    assert results == await results_of(bench, ended.id)
    now = await bench.do("GetProgram", GetProgramRequest(id=made.id))
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
    wider = CreateProgramRequest(program=made)
    wider.program.name = "wider"
    wider.program.signature_config.inputs.add(name="hint")
    other = await bench.do("CreateProgram", wider)
    with pytest.raises(InvalidFields, match="no input field hint"):
        await evaluated(bench, evaluation(other, dataset))


async def paths(bench: Workbench, request: EvaluateProgramRequest) -> set[str]:
    """Returns the paths of the violations of a refused request."""
    with pytest.raises(InvalidFields) as refused:
        await evaluated(bench, request)
    return {v.path for v in refused.value.violations}


async def test_an_archived_program_is_neither_executed_nor_evaluated(bench: Workbench) -> None:
    """X-25, X-21: it stays readable."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    await bench.do("ArchiveProgram", ArchiveProgramRequest(id=made.id))
    with pytest.raises(IllegalState, match="ARCHIVED"):
        await evaluated(bench, evaluation(made, dataset))
    execute = ExecuteProgramRequest(program_id=made.id)
    execute.inputs.update({"text": "x"})
    with pytest.raises(IllegalState, match="ARCHIVED"):
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
    get, cancel, pause = (
        GetEvaluationRequest(id=request.evaluation_id),
        CancelEvaluationRequest(id=request.evaluation_id),
        PauseEvaluationRequest(id=request.evaluation_id),
    )
    for reader in (bench.user, bench.colleague, bench.viewer, bench.admin):
        assert (await bench.do("GetEvaluation", get, reader)).id == request.evaluation_id
    for other in (bench.colleague, bench.viewer):
        for name, asked in (("CancelEvaluation", cancel), ("PauseEvaluation", pause)):
            with pytest.raises(NotPermitted):
                await bench.do(name, asked, other)
    with pytest.raises(NotPermitted):
        await evaluated(bench, request, bench.colleague)
    for stranger in (bench.elsewhere().user, bench.elsewhere().admin):
        for name, asked in (("GetEvaluation", get), ("CancelEvaluation", cancel), ("PauseEvaluation", pause)):
            with pytest.raises(NotFound):
                await bench.do(name, asked, stranger)
        with pytest.raises(NotFound):
            await evaluated(bench, request, stranger)
        listed = await bench.do(
            "ListEvaluationResults", ListEvaluationResultsRequest(evaluation_id=request.evaluation_id), stranger
        )
        assert not listed.evaluation_results


async def test_everything_that_can_be_measured_is_listed(bench: Workbench) -> None:
    """Also for those who only read; what is built in says its range, direction, unit and aggregation."""
    listed = await bench.do("ListMetrics", metric_pb2.ListMetricsRequest(), bench.viewer)
    metrics = {each.name: each for each in listed.metrics}
    assert list(metrics)[:2] == ["exact_match", "token_f1"] and list(metrics)[-2:] == ["cost", "latency_ms"]
    assert [(p.name, p.required) for p in metrics["regex"].params] == [("fields", False), ("pattern", True)]
    exact, latency = metrics["exact_match"], metrics["latency_ms"]
    assert (exact.low, exact.high, exact.direction) == (0.0, 1.0, metric_pb2.Metric.DIRECTION_MAXIMIZE)
    assert exact.aggregation == metric_pb2.Metric.AGGREGATION_MEAN and exact.built_in and exact.description
    assert latency.direction == metric_pb2.Metric.DIRECTION_MINIMIZE and latency.unit == "ms"
    assert latency.aggregation == metric_pb2.Metric.AGGREGATION_P50 and not latency.HasField("high")
    assert metrics["cost"].direction == metric_pb2.Metric.DIRECTION_MINIMIZE
