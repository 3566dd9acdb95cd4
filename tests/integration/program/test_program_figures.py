"""The figures of programs, evaluations and datasets, computed from what was run: each means what its comment says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CompareEvaluationsRequest,
    GetEvaluationRequest,
    ListEvaluationsRequest,
)
from ashgrove.program.v1.metric_pb2 import Metric
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest, ListProgramsRequest
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from psycopg.types.json import Jsonb

from framework.call import Actor
from framework.identifiers import new_id
from framework.resource import Resource, spec_of
from framework.testing.workbench import Workbench
from services.program.resources import Dataset, Evaluation, Execution, Program
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, create_program, evaluation, working
from tests.integration.program.making import evaluated as worked

COMPLETED, FAILED = "WORK_STATUS_COMPLETED", "WORK_STATUS_FAILED"
PUBLIC = program_pb2.Program.VISIBILITY_PUBLIC


async def row(bench: Workbench, resource: type[Resource[Any]], **columns: Any) -> str:
    """Puts a row where the worker would have left one, and returns its id."""
    identifier = str(new_id())
    told = {"id": identifier, "organization_id": bench.organization_id, "owner_id": UUID(bench.user.id), **columns}
    names, values = ", ".join(told), ", ".join(f"%({name})s" for name in told)
    async with bench.database.system() as tx:
        await tx.execute(f"INSERT INTO {spec_of(resource).collection} ({names}) VALUES ({values})", told)
    return identifier


async def executed(
    bench: Workbench, program: Any, latency: float, cost: int, at: str, status: str = COMPLETED, **more: Any
) -> None:
    await row(
        bench,
        Execution,
        program_id=program.id,
        latency_ms=latency,
        cost_micros=cost,
        status=status,
        created_at=at,
        completed_at=at,
        inputs=Jsonb({}),
        configuration=Jsonb({}),
        **more,
    )


async def evaluated(bench: Workbench, program: Any, dataset: Any, scores: dict[str, float], **columns: Any) -> str:
    told = {"status": COMPLETED, "started_at": "2026-01-01T00:00:00Z", "completed_at": "2026-01-01T00:00:02.5Z"}
    kept = {"scores": Jsonb(scores), "metrics": Jsonb(["loss", "exact_match"]), "configuration": Jsonb({"heat": 1})}
    return await row(bench, Evaluation, program_id=program.id, dataset_id=dataset.id, **told | kept | columns)


async def figures(bench: Workbench, program: Any, actor: Actor | None = None) -> dict[str, Any]:
    """Returns every computed field of a program that is there."""
    mask = FieldMask(paths=[*Program.computed])
    read = await bench.do("GetProgram", GetProgramRequest(id=program.id, read_mask=mask), actor)
    return MessageToDict(read, preserving_proto_field_name=True)


async def test_p_g1_a_program_that_never_ran_counts_nothing(bench: Workbench) -> None:
    """Counts and sums are 0, means and times are absent."""
    assert await figures(bench, await create_program(bench)) == {
        "execution_count": "0",
        "failed_execution_count": "0",
        "execution_cost_micros": "0",
        "evaluation_cost_micros": "0",
        "metric_cost_micros": "0",
        "total_cost_micros": "0",
        "evaluation_count": "0",
    }


async def test_p_c3_p_g4_executions_are_counted_timed_and_paid_for(bench: Workbench) -> None:
    """Times are those of completed ones; costs are those of all, and of evaluations besides."""
    program = await create_program(bench)
    for latency, cost, at in ((100.0, 5, "2026-01-01T10:00:00Z"), (300.0, 6, "2026-01-03T10:00:00Z")):
        await executed(bench, program, latency, cost, at)
    await executed(bench, program, 9000.0, 1, "2026-01-03T11:00:00Z", FAILED)
    await evaluated(bench, program, await create_dataset(bench), {"loss": 0.5}, cost_micros=100, metric_cost_micros=30)
    told = await figures(bench, program)
    assert (told["execution_count"], told["failed_execution_count"], told["evaluation_count"]) == ("3", "1", "1")
    assert (told["average_execution_ms"], told["p95_execution_ms"]) == (200.0, 290.0)
    assert told["execution_latencies"] == {"low": 100.0, "high": 300.0, "counts": ["1", *["0"] * 8, "1"]}
    assert told["last_execution_at"] == "2026-01-03T11:00:00Z"
    costs = ("execution_cost_micros", "evaluation_cost_micros", "metric_cost_micros", "total_cost_micros")
    assert [told[name] for name in costs] == ["12", "100", "30", "142"]
    assert told["executions_by_day"] == [
        {"start": "2026-01-01T00:00:00Z", "value": 1.0},
        {"start": "2026-01-03T00:00:00Z", "value": 2.0},
    ]


async def test_p_c3_what_was_cached_took_no_time_and_is_in_no_mean(bench: Workbench) -> None:
    """Neither in the mean nor in the percentiles; it is counted as an execution."""
    program = await create_program(bench)
    for latency in (100.0, 200.0, 600.0):
        await executed(bench, program, latency, 1, "2026-01-01T10:00:00Z")
    columns = {"inputs": Jsonb({}), "configuration": Jsonb({}), "status": COMPLETED}
    await row(bench, Execution, program_id=program.id, latency_ms=0.0, cached=True, **columns)
    told = await figures(bench, program)
    assert (told["execution_count"], told["average_execution_ms"], told["p50_execution_ms"]) == ("4", 300.0, 200.0)


async def test_figures_over_time_come_by_program_revision_and_model_in_one_call(bench: Workbench) -> None:
    program = await create_program(bench)
    await executed(bench, program, 100.0, 5, "2026-01-01T10:00:00Z", model="fast")
    await executed(bench, program, 300.0, 6, "2026-01-01T11:00:00Z", model="fast")
    await executed(bench, program, 50.0, 2, "2026-01-01T11:00:00Z", model="small")
    measures = ["count()", "p50(latency_ms)", "sum(cost_micros)", "sum(input_tokens)"]
    keys = ["model", "program_id", "program_revision", "status", "day(created_at)"]
    wanted = AggregateRequest(measures=measures, group_by=keys, filter="cached = false")
    rows = [MessageToDict(row) for row in (await bench.do("AggregateExecutions", wanted)).rows]
    assert [row["keys"]["model"] for row in rows] == ["fast", "small"]
    values = rows[0]["values"]
    assert (values["count"], values["p50_latency_ms"], values["sum_cost_micros"]) == (2, 200.0, 11)
    calls = AggregateRequest(measures=["count()", "sum(cost_nanos)"], group_by=["model", "day(created_at)"])
    assert not (await bench.do("AggregateModelCalls", calls, bench.admin)).rows


async def test_p_c1_p_c4_the_score_is_the_first_metric_of_the_latest_completed_evaluation(bench: Workbench) -> None:
    """Whatever else was measured; per credit it is absent where nothing was paid."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    scores = {"exact_match": 0.9, "loss": 0.25}
    first = await evaluated(bench, program, dataset, scores, cost_micros=500_000)
    free = await evaluated(bench, program, dataset, {"loss": 0.75}, completed_at="2026-01-02T00:00:00Z")
    running = await evaluated(
        bench, program, dataset, {}, status="WORK_STATUS_RUNNING", started_at=None, completed_at=None
    )
    told: dict[str, Any] = {}
    for identifier in (first, free, running):
        request = GetEvaluationRequest(id=identifier, read_mask=FieldMask(paths=[*Evaluation.computed]))
        read = await bench.do("GetEvaluation", request)
        told[identifier] = MessageToDict(read, preserving_proto_field_name=True)
    assert told[first] == {"primary_metric": "loss", "score": 0.25, "score_per_credit": 0.5, "duration_ms": 2500.0}
    assert "score_per_credit" not in told[free] and told[running] == {"primary_metric": "loss"}
    found = await figures(bench, program)
    assert found["latest_score"] == 0.75 and "latest_score_per_credit" not in found
    request = ListEvaluationsRequest(program_id=program.id, filter="score < 0.5", order_by="score_per_credit desc")
    assert [one.id for one in (await bench.do("ListEvaluations", request)).evaluations] == [first]


async def test_programs_are_found_and_ordered_by_their_figures(bench: Workbench) -> None:
    """Those without a score come last."""
    dataset = await create_dataset(bench)
    made = [await create_program(bench, name=f"p{n}") for n in range(3)]
    for program, loss in ((made[0], 0.2), (made[2], 0.8)):
        await evaluated(bench, program, dataset, {"loss": loss})
    page = await bench.do("ListPrograms", ListProgramsRequest(order_by="latest_score desc"))
    assert [one.name for one in page.programs] == ["p2", "p0", "p1"]
    page = await bench.do("ListPrograms", ListProgramsRequest(filter="evaluation_count > 0 AND latest_score < 0.5"))
    assert [one.name for one in page.programs] == ["p0"]


async def test_p_g2_scores_of_different_metrics_are_not_mixed(bench: Workbench) -> None:
    """Evaluations are grouped by what they measured, on which data; whoever may not read the program counts none."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    for loss in (0.25, 0.75):
        await evaluated(bench, program, dataset, {"loss": loss, "exact_match": 1.0})
    await evaluated(bench, program, dataset, {"exact_match": 0.5}, metrics=Jsonb(["exact_match"]))
    request = AggregateRequest(
        measures=["avg(score) as mean", "max(scores.exact_match) as best"], group_by=["primary_metric", "dataset.name"]
    )
    answer = await bench.do("AggregateEvaluations", request)
    rows = [(dict(MessageToDict(one)["keys"]), dict(MessageToDict(one)["values"])) for one in answer.rows]
    assert rows == [
        ({"primary_metric": "exact_match", "dataset_name": dataset.name}, {"mean": 0.5, "best": 0.5}),
        ({"primary_metric": "loss", "dataset_name": dataset.name}, {"mean": 0.5, "best": 1.0}),
    ]
    assert not (await bench.do("AggregateEvaluations", request, bench.colleague)).rows


async def test_p_g3_the_best_follows_the_direction_of_its_metric(bench: Workbench, workshop: Workshop) -> None:
    """The least loss and the greatest match, never one against the other; evaluations say which way theirs goes."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    for loss in (0.25, 0.75):
        await evaluated(bench, program, dataset, {"loss": loss}, direction="DIRECTION_MINIMIZE")
    async with working(workshop):
        _, done = await worked(bench, evaluation(program, dataset))
    assert done.direction == Metric.DIRECTION_MAXIMIZE
    request = AggregateRequest(measures=["max(gain) as gain"], group_by=["primary_metric"], filter="status = completed")
    rows = [MessageToDict(one) for one in (await bench.do("AggregateEvaluations", request)).rows]
    best = {one["keys"]["primary_metric"]: one["values"]["gain"] for one in rows}
    assert best == {"loss": -0.25, "exact_match": done.scores["exact_match"]}


async def test_a_registered_metric_is_compared_in_the_direction_that_it_declares(bench: Workbench) -> None:
    """It is told by the evaluation, once that has completed."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    told = {"metrics": Jsonb(["slips"]), "direction": "DIRECTION_MINIMIZE"}
    one, other = [await evaluated(bench, program, dataset, {"slips": n}, **told) for n in (3.0, 1.0)]
    request = CompareEvaluationsRequest(base_evaluation_id=one, evaluation_id=other)
    assert (await bench.do("CompareEvaluations", request)).direction == Metric.DIRECTION_MINIMIZE


async def test_p_c4_what_a_credit_bought_is_told_over_a_window(bench: Workbench) -> None:
    """The mean over the paid evaluations of the time asked for; absent where all were free."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    now = datetime.now(UTC)
    for cost, days in ((1_000_000, 1), (500_000, 2), (0, 3), (10, 90)):
        await evaluated(bench, program, dataset, {"loss": 0.5}, cost_micros=cost, completed_at=now - timedelta(days))
    for where, bought in (("completed_at > ago(30d)", 0.75), ("cost_micros = 0", None)):
        request = AggregateRequest(measures=["avg(score_per_credit) as bought"], filter=where)
        (found,) = (await bench.do("AggregateEvaluations", request)).rows
        assert MessageToDict(found)["values"] == {"bought": bought}


@pytest.mark.parametrize("visible", [True, False])
async def test_figures_count_what_their_reader_may_get(bench: Workbench, visible: bool) -> None:
    """A dataset that everybody reads does not tell of evaluations of programs that not everybody may read."""
    program = await create_program(bench, **({"visibility": PUBLIC} if visible else {}))
    dataset = await create_dataset(bench, visibility=PUBLIC)
    await evaluated(bench, program, dataset, {"loss": 1.0})
    request = GetDatasetRequest(id=dataset.id, read_mask=FieldMask(paths=[*Dataset.computed]))
    for actor, count in ((bench.user, 1), (bench.admin, 1), (bench.colleague, int(visible))):
        read = await bench.do("GetDataset", request, actor)
        assert (read.evaluation_count, read.example_count) == (count, 20)
