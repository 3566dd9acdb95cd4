"""A run's Pareto front in its tables: what the rows of the trials say by brute force, told as it changes."""

import random
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import pareto_front_pb2 as front_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetBestConfigurationRequest,
    GetOptimizationRunRequest,
    GetParetoFrontRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from domain.hypervolume import MOST_STEPS
from domain.objectives import Objective, best, dominates, is_feasible
from domain.pareto import Point, hypervolume
from framework.errors import NotFound
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.optimizer import front
from services.optimizer.ledger import Ledger
from services.optimizer.objectives import objectives_of
from services.optimizer.outcomes import Outcome
from services.optimizer.story import Fenced
from services.optimizer.suggesting import Suggestion
from tests.integration.optimizer.books import claimed, ledger, started, told

MAXIMIZE, MINIMIZE = run_pb.Objective.DIRECTION_MAXIMIZE, run_pb.Objective.DIRECTION_MINIMIZE
TWO = [
    run_pb.Objective(metric="exact_match", direction=MAXIMIZE, reference=0.0),
    run_pb.Objective(metric="cost", direction=MINIMIZE, reference=10.0),
]
THREE = [*TWO, run_pb.Objective(metric="latency_ms", direction=MINIMIZE, reference=8.0)]
CONSTRAINED = [TWO[0], run_pb.Objective(metric="cost", direction=MINIMIZE, reference=10.0, threshold=6.0)]
ENDLESS = [TWO[0], run_pb.Objective(metric="cost", direction=MINIMIZE)]
Kind = RunEvent


async def begun(bench: Workbench, objectives: Sequence[run_pb.Objective], **fields: Any) -> tuple[Ledger, Any]:
    """Returns the books of a run that a worker has started, and its row."""
    row = await claimed(bench, await started(bench, objectives=objectives, **({"max_trials": 1000} | fields)))
    books = ledger(bench, row)
    await books.start()
    return books, row


async def complete(books: Ledger, number: int, *reached: float) -> None:
    """Completes a trial with what it reached, in the order of the objectives; fails it when it reached nothing."""
    trial = await books.begin(Suggestion(number, {"k": number}, "h", number, "s"), 0, [])
    names = [each.name for each in books.results.objectives]
    outcome = Outcome(dict(zip(names, reached, strict=True))) if reached else Outcome(error="it failed")
    await books.finish(trial, outcome)


async def front_of(bench: Workbench, row: Any, **who: Any) -> front_pb.ParetoFront:
    request = GetParetoFrontRequest(id=str(row["id"]))
    return await bench.do("GetParetoFront", request, **who)  # type: ignore[no-any-return]


def brute_force(points: Sequence[Point], objectives: Sequence[Objective]) -> list[int]:
    """Returns the numbers of the feasible points that none dominates, the oldest of equals."""
    sound = [p for p in points if is_feasible(p.objectives, objectives)]

    def covered(point: Point) -> bool:
        return any(
            dominates(q.objectives, point.objectives, objectives)
            or (q.objectives == point.objectives and q.number < point.number)
            for q in sound
        )

    return sorted(p.number for p in sound if not covered(p))


@pytest.mark.parametrize("objectives", [TWO, THREE, CONSTRAINED, ENDLESS], ids=["two", "three", "bounded", "endless"])
async def test_the_front_is_what_the_trials_say_by_brute_force(bench: Workbench, objectives: Any) -> None:
    """X-67, X-68: after every completion, in any order, with equals, failures and takeovers among them."""
    books, row = await begun(bench, objectives)
    source = random.Random(len(objectives))
    numbers = list(range(1, 41))
    source.shuffle(numbers)
    known = objectives_of(row)
    points: list[Point] = []
    for number in numbers:
        if source.random() < 0.1:
            await complete(books, number)
            continue
        reached = [source.randint(0, 5) / 5, *(float(source.randint(1, 9)) for _ in known[1:])]
        await complete(books, number, *reached)
        points.append(Point(number, dict(zip([o.name for o in known], reached, strict=True))))
        if source.random() < 0.2:  # another worker, who remembers nothing
            row = await claimed(bench, row)
            books = ledger(bench, row)
        seen = await front_of(bench, row)
        assert [p.trial_number for p in seen.points] == brute_force(points, known)
        expected = hypervolume([p for p in points if p.number in brute_force(points, known)], known)
        assert (seen.hypervolume if seen.HasField("hypervolume") else None) == (
            pytest.approx(expected.value) if seen.points and expected is not None else None
        )
        assert not seen.HasField("hypervolume_margin"), "it is exact"
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    first = best(points, known)
    assert first is not None and dict(run.best_objectives) == dict(first.objectives)
    assert run.best_configuration["k"] == first.number, "X-56: feasible first, the older of equals"


async def test_history_and_story_tell_every_change_and_nothing_else(bench: Workbench) -> None:
    """Replaying the deltas gives the front at every version; versions have no gaps, and sizes and volumes agree."""
    books, row = await begun(bench, TWO)
    for number, reached in enumerate([(0.5, 5.0), (0.5, 6.0), (0.6, 7.0), (0.7, 4.0), (0.2, 1.0)], start=1):
        await complete(books, number, *reached)
    seen = await front_of(bench, row)
    deltas = [e for e in await told(bench, row) if e.type == Kind.TYPE_FRONT_CHANGED]
    assert [e.front_version for e in deltas] == [c.version for c in seen.history] == [1, 2, 3, 4]
    assert [c.trial_number for c in seen.history] == [1, 3, 4, 5]
    replayed: set[int] = set()
    for delta, change in zip(deltas, seen.history, strict=True):
        replayed = (replayed | set(delta.added_trial_numbers)) - set(delta.removed_trial_numbers)
        assert len(replayed) == change.size and delta.hypervolume == change.hypervolume
    assert replayed == {p.trial_number for p in seen.points} == {4, 5}
    assert [p.since_version for p in seen.points] == [3, 4] and seen.points[0].configuration["k"] == 4
    assert all(earlier.at.ToNanoseconds() <= later.at.ToNanoseconds() for earlier, later in pairs(seen.history))
    kinds = [e.type for e in await told(bench, row)]
    assert kinds[-2:] == [Kind.TYPE_TRIAL_COMPLETED, Kind.TYPE_FRONT_CHANGED]
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert (run.front_version, run.hypervolume) == (4, seen.hypervolume)
    assert [o.metric for o in seen.objectives] == ["exact_match", "cost"]


async def test_a_hypervolume_that_is_estimated_says_so_wherever_it_is_told(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Front, history, story and run have the same margin; what was exact before stays so."""
    monkeypatch.setitem(MOST_STEPS, 5, 5)
    books, row = await begun(
        bench, [run_pb.Objective(metric=f"m{n}", direction=MAXIMIZE, reference=0) for n in range(5)]
    )
    for number, reached in enumerate([(3.0, 1.0), (2.0, 2.0), (1.0, 3.0)], 1):
        await complete(books, number, 1.0, 1.0, 1.0, *reached)
    seen = await front_of(bench, row)
    assert [each.HasField("hypervolume_margin") for each in seen.history] == [False, False, True]
    assert [each.hypervolume for each in seen.history[:2]] == [3, 5]
    assert abs(seen.hypervolume - 6) < 2 * seen.hypervolume_margin < 0.1
    (*_, delta) = [e for e in await told(bench, row) if e.type == Kind.TYPE_FRONT_CHANGED]
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert {each.hypervolume for each in (seen, seen.history[-1], delta, run)} == {seen.hypervolume}
    assert {each.hypervolume_margin for each in (seen, seen.history[-1], delta, run)} == {seen.hypervolume_margin}


def pairs(items: Any) -> Any:
    return zip(items, list(items)[1:], strict=False)


async def test_a_front_is_empty_until_a_feasible_trial_is_complete(bench: Workbench) -> None:
    """And the best of infeasible ones is still known: it is what there is."""
    books, row = await begun(bench, CONSTRAINED)
    await complete(books, 1, 0.9, 9.0)
    seen = await front_of(bench, row)
    assert not seen.points and not seen.history and not seen.version and not seen.HasField("hypervolume")
    best_now = await bench.do("GetBestConfiguration", GetBestConfigurationRequest(id=str(row["id"])))
    assert best_now.trial_number == 1
    await complete(books, 2, 0.1, 5.0)
    best_now = await bench.do("GetBestConfiguration", GetBestConfigurationRequest(id=str(row["id"])))
    assert best_now.trial_number == 2 and [p.trial_number for p in (await front_of(bench, row)).points] == [2]


async def test_a_full_front_loses_its_most_crowded_never_its_oldest(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-67: extremes stay, and what was left out is counted and told."""
    monkeypatch.setattr(front, "LIMIT", 4)
    books, row = await begun(bench, TWO)
    for number, accuracy in enumerate([0.0, 1.0, 0.5, 0.52, 0.25, 0.75], start=1):
        await complete(books, number, accuracy, 1.0 + 8 * accuracy)
    seen = await front_of(bench, row)
    numbers = [p.trial_number for p in seen.points]
    assert len(numbers) == 4 and {1, 2} <= set(numbers) and seen.evicted_count == 2
    removed = [n for e in await told(bench, row) for n in e.removed_trial_numbers]
    assert removed and not set(removed) & set(numbers)


async def test_a_fenced_completion_leaves_the_front_alone(bench: Workbench) -> None:
    """X-61: the front changes with the trial or not at all; a late worker's result is re-read by the next."""
    books, row = await begun(bench, TWO)
    trial = await books.begin(Suggestion(1, {"k": 1}, "h", 1, "s"), 0, [])
    current = ledger(bench, await claimed(bench, row))
    with pytest.raises(Fenced):
        await books.finish(trial, Outcome({"exact_match": 0.5, "cost": 2.0}))
    assert not (await front_of(bench, row)).points
    await current.finish(trial, Outcome({"exact_match": 0.5, "cost": 2.0}))
    assert [p.trial_number for p in (await front_of(bench, row)).points] == [1]


async def test_a_front_is_seen_by_whoever_sees_its_run(bench: Workbench) -> None:
    """X-73: nobody else, in the organization or outside."""
    _, row = await begun(bench, TWO)
    assert (await front_of(bench, row, actor=bench.admin)).run_id == str(row["id"])
    other = bench.elsewhere()
    for actor in (bench.colleague, bench.viewer, other.admin):
        with pytest.raises(NotFound):
            await front_of(bench, row, actor=actor)


@pytest.mark.parametrize("table", ["run_events", "pareto_points", "pareto_versions", "program_access"])
async def test_the_tables_beside_the_resources_are_walled_as_well(bench: Workbench, table: str) -> None:
    """X-6: with no filter at all, another organization sees no row, writes none and changes none."""
    books, row = await begun(bench, TWO)
    await complete(books, 1, 0.5, 5.0)
    async with bench.database.system() as tx:
        await tx.execute(
            """INSERT INTO program_access VALUES (%(organization_id)s, %(program_id)s, %(owner_id)s, '', false, 1)""",
            row,
        )
    for tenant, expected in ((bench.organization_id, True), (new_id(), False), (None, False)):
        async with bench.database.tenant(tenant) as tx:
            rows = await tx.fetch(f"SELECT organization_id FROM {table}")
        assert bool(rows) is expected and {r["organization_id"] for r in rows} <= {bench.organization_id}
    async with bench.database.system() as tx:
        walls = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %(table)s::regclass"
        assert await tx.fetch_one(walls, {"table": table}) == {"relrowsecurity": True, "relforcerowsecurity": True}
        copied = await tx.fetch_one(
            f"SELECT * FROM {table} WHERE organization_id = %(o)s LIMIT 1", {"o": row["organization_id"]}
        )
    assert copied is not None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with bench.database.tenant(new_id()) as tx:
            columns = [c for c in copied if c not in ("event", "objectives")]
            await tx.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f'%({c})s' for c in columns)})", copied
            )


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET since_version = 0", "TRUNCATE {}"])
async def test_no_role_of_the_service_rewrites_a_front(bench: Workbench, statement: str) -> None:
    """Points leave a front and stay known; versions are never changed."""
    for table in ("pareto_points", "pareto_versions"):
        for opened in (bench.database.tenant(bench.organization_id), bench.database.system()):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with opened as tx:
                    await tx.execute(statement.format(table).replace("since_version", _column(table)))


def _column(table: str) -> str:
    return "since_version" if table == "pareto_points" else "size"
