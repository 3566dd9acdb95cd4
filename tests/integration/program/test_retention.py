"""Retention: parts of executions lapse by their program's days, whole ones go by the operator's, a batch at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.execution_requests_pb2 import CancelExecutionRequest
from ashgrove.program.v1.program_defaults_pb2 import RunDefaults, SetProgramDefaultsRequest
from ashgrove.program.v1.program_requests_pb2 import UpdateProgramRequest
from ashgrove.resource.v1.requests_pb2 import GetRequest
from click.testing import CliRunner
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from psycopg.types.json import Jsonb

from framework.errors import NotFound
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program import retention
from services.program.__main__ import main
from services.program.retention import batches, deleting, lapsing
from services.program.retention.batches import Busy, id_at
from services.program.retention.deleting import delete_old
from services.program.retention.lapsing import let_lapse
from services.program.retention.work import Retention
from tests.integration.program.making import create_program
from tests.integration.program.test_feedback import executed, given

STEPS = [
    {"kind": "KIND_MODEL_CALL", "call": 1, "text": "sv", "cost_nanos": 5, "model": "fast"},
    {"kind": "KIND_STEP", "path": "a", "inputs": {"text": "hav"}, "outputs": {"language": "sv"}},
]
GONE = ("inputs", "outputs", "steps")


async def aged(bench: Workbench, days: float, text: str = "", **columns: Any) -> str:
    """An execution that was asked for so many days ago, with steps; returns its id."""
    done = await executed(bench, text or str(new_id()))
    then = datetime.now(UTC) - timedelta(days=days)
    identifier = UUID(int=id_at(then).int | UUID(done.id).int & (2**62 - 1))
    async with bench.database.system() as tx:
        await tx.execute(
            """UPDATE executions SET id = %(new)s, created_at = %(then)s, steps = %(steps)s, error = 'of hav'
               WHERE id = %(id)s""",
            {"id": done.id, "new": identifier, "then": then, "steps": Jsonb(STEPS)},
        )
        for name, value in columns.items():
            await tx.execute(f"UPDATE executions SET {name} = %(v)s WHERE id = %(id)s", {"v": value, "id": identifier})
    return str(identifier)


async def row_of(bench: Workbench, identifier: str) -> dict[str, Any] | None:
    """An execution's row; None when it is gone."""
    async with bench.database.system() as tx:
        return await tx.fetch_one("SELECT * FROM executions WHERE id = %(id)s", {"id": identifier})


async def kept(bench: Workbench, identifier: str) -> set[str]:
    """Which parts of an execution are there."""
    row = await row_of(bench, identifier)
    assert row is not None
    return {name for name in GONE if row[name] is not None}


async def keeps(bench: Workbench, execution: str, **days: int) -> None:
    """Has the program of an execution keep parts of it for so many days."""
    row = await row_of(bench, execution)
    assert row is not None
    change = program_pb2.Program(id=str(row["program_id"]), execution_retention=days)
    await bench.do("UpdateProgram", UpdateProgramRequest(program=change))


async def told(bench: Workbench, kind: str) -> list[dict[str, Any]]:
    """What was told of one kind."""
    return [event["data"] for event in await bench.events(kind)]


async def lapsed(bench: Workbench) -> list[tuple[str, int]]:
    """Which parts lapsed, of how many executions."""
    return [(data["part"], data["count"]) for data in await told(bench, "executions.lapsed")]


async def test_each_part_lapses_by_its_own_days(bench: Workbench) -> None:
    """What is due goes, once, and is told of; what is not, or is of a program that keeps all, stays; money stays."""
    old, young, whole = [await aged(bench, days, cost_micros=7) for days in (10, 2, 10)]
    for one in (old, young):
        await keeps(bench, one, inputs_days=5, steps_days=30)
    assert (await let_lapse(bench.database))["lapsed", "inputs"]
    assert await kept(bench, old) == {"outputs", "steps"} and await kept(bench, young) == set(GONE)
    assert await kept(bench, whole) == set(GONE)
    row = await row_of(bench, old)
    assert row is not None and row["cost_micros"] == 7 and row["error"] == "what was said of it is not kept"
    assert [step.get("cost_nanos") for step in row["steps"]] == [5, None]
    assert "hav" not in str(row["steps"]) and "sv" not in str(row["steps"]) and row["steps"][1]["path"] == "a"
    await let_lapse(bench.database)
    assert await lapsed(bench) == [("inputs", 1), ("words", 1)]
    await keeps(bench, young, outputs_days=1, steps_days=1)
    await let_lapse(bench.database)
    assert await kept(bench, young) == {"inputs"}
    assert (await lapsed(bench))[2:] == [("outputs", 1), ("words", 1), ("steps", 1)]


async def test_the_organizations_days_hold_where_a_program_has_none(bench: Workbench) -> None:
    """The job reads both, as they are now."""
    silent, speaking = await aged(bench, 10), await aged(bench, 10)
    await keeps(bench, speaking, inputs_days=30)
    defaults = RunDefaults(execution_retention={"inputs_days": 5, "outputs_days": 5})
    await bench.do("SetProgramDefaults", SetProgramDefaultsRequest(defaults=defaults), bench.admin)
    await let_lapse(bench.database)
    assert await kept(bench, silent) == {"steps"} and await kept(bench, speaking) == {"inputs", "steps"}


async def test_what_runs_still_is_left_until_it_has_ended(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the batches, nothing is passed over."""
    monkeypatch.setattr(lapsing, "BATCH", 1)
    program = await create_program(bench)
    ids = [await aged(bench, days, program_id=program.id) for days in (9, 8, 7)]
    async with bench.database.system() as tx:
        await tx.execute("UPDATE executions SET status = 'WORK_STATUS_PENDING' WHERE id = %(id)s", {"id": ids[1]})
    await keeps(bench, ids[0], inputs_days=1)
    await let_lapse(bench.database)
    assert ["inputs" in await kept(bench, one) for one in ids] == [False, True, True]
    await bench.do("CancelExecution", CancelExecutionRequest(id=ids[1]))
    await let_lapse(bench.database)
    assert not any(["inputs" in await kept(bench, one) for one in ids])


async def test_old_executions_go_with_their_feedback_and_running_ones_stay(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches, organization by organization, each batch told of."""
    ages = {"executions": 30, "model_calls": 0}
    await delete_old(bench.database, ages)  # thousands that other tests have left, by larger batches
    monkeypatch.setattr(deleting, "BATCH", 2)
    elsewhere = bench.elsewhere()
    old = [await aged(one, 40) for one in (bench, bench, bench, elsewhere)]
    young, running = await aged(bench, 20), await aged(bench, 40)
    said = await given(bench, old[0], score=1.0)
    async with bench.database.system() as tx:
        await tx.execute("UPDATE executions SET status = 'WORK_STATUS_RUNNING' WHERE id = %(id)s", {"id": running})
    assert (await delete_old(bench.database, ages))["deleted", "executions"] == 4
    assert [await row_of(bench, one) for one in old] == [None] * 4
    assert await row_of(bench, young) and await row_of(bench, running)
    with pytest.raises(NotFound):
        await bench.do("GetFeedback", GetRequest(id=said.id))
    assert sum(data["count"] for data in await told(bench, "executions.deleted")) == 3
    assert [data["count"] for data in await told(elsewhere, "executions.deleted")] == [1]


async def test_model_calls_go_by_age_and_reserved_ones_stay(bench: Workbench) -> None:
    """What they cost is in the books by month, and stays there."""
    made = {name: id_at(datetime.now(UTC) - timedelta(days=days)) for name, days in (("old", 40), ("young", 1))}
    made["open"] = UUID(int=made["old"].int + 1)
    insert = "INSERT INTO model_calls (organization_id, id, status) VALUES (%(o)s, %(id)s, %(status)s)"
    async with bench.database.system() as tx:
        for name, identifier in made.items():
            status = "STATUS_RESERVED" if name == "open" else "STATUS_SETTLED"
            await tx.execute(insert, {"o": bench.organization_id, "id": identifier, "status": status})
    await delete_old(bench.database, {"model_calls": 30})
    async with bench.database.system() as tx:
        left = await tx.fetch("SELECT id FROM model_calls WHERE organization_id = %(o)s", {"o": bench.organization_id})
    assert {row["id"] for row in left} == {made["young"], made["open"]}


async def test_one_writer_is_at_it_and_what_was_done_is_measured(bench: Workbench) -> None:
    """Another finds it busy and does nothing; counts and age are metrics."""
    old = await aged(bench, 40)
    reader = InMemoryMetricReader()
    job = Retention(bench.database, {"executions": 30}, [reader])
    async with batches.batch(bench.database):
        with pytest.raises(Busy):
            await delete_old(bench.database, {"executions": 30})
        assert not await job.once()
    assert await row_of(bench, old)
    assert (await job.once())["deleted", "executions"] >= 1 and await row_of(bench, old) is None
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    points = {metric.name: list(metric.data.data_points) for metric in scope.metrics}
    (point,) = points["ashgrove.retention.deleted"]
    assert point.attributes == {"collection": "executions"} and point.value >= 1
    assert points["ashgrove.retention.age"][0].value >= 0


def test_the_command_says_what_it_takes() -> None:
    """At least a day of each; nothing is deleted that nobody named."""
    assert CliRunner().invoke(main, ["retain", "--executions", "0"]).exit_code == 2
    assert retention.__doc__ and "--model-calls" in CliRunner().invoke(main, ["retain", "--help"]).output
