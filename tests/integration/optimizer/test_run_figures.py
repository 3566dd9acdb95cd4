"""X-29, X-69: what the trials of a run come to, computed from its rows and never stored beside them."""

from datetime import UTC
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest, ListOptimizationRunsRequest
from ashgrove.optimizer.v1.run_figures_pb2 import Convergence
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from google.protobuf.field_mask_pb2 import FieldMask

from framework.testing.workbench import Workbench
from services.optimizer.ledger import Ledger
from services.optimizer.spending import Usage
from services.optimizer.suggesting import Suggestion
from tests.integration.optimizer.books import started
from tests.integration.optimizer.test_fronts import ENDLESS, TWO, begun, complete

FIGURES = ("progress", "duration_seconds", "convergence", "estimated_completion", "objective_statistics")
Run = run_pb.OptimizationRun


async def figures(bench: Workbench, row: Any) -> Run:
    """Returns a run with everything that is computed of it."""
    asked = GetOptimizationRunRequest(id=str(row["id"]), read_mask=FieldMask(paths=FIGURES))
    return await bench.do("GetOptimizationRun", asked)  # type: ignore[no-any-return]


async def aged(bench: Workbench, row: Any, seconds: float) -> None:
    """Lets a run have begun so long ago."""
    async with bench.database.system() as tx:
        began = "now() - make_interval(secs => %(seconds)s)"
        ids = {"id": row["id"], "seconds": seconds}
        await tx.execute(f"UPDATE optimization_runs SET started_at = {began} WHERE id = %(id)s", ids)


async def spaced(bench: Workbench, row: Any, gap: float) -> None:
    """Lets a run's trials end one gap after the other from now on."""
    async with bench.database.system() as tx:
        await tx.execute(
            """UPDATE trials SET completed_at = now() + number * make_interval(secs => %(gap)s)
               WHERE optimization_run_id = %(id)s AND completed_at IS NOT NULL""",
            {"id": row["id"], "gap": gap},
        )


async def used(books: Ledger, number: int, usage: Usage) -> None:
    """Has a trial use something and go on."""
    trial = next(each for each in await books.trials() if each["number"] == number)
    await books.progress(trial, usage.metric_calls, 100, usage)


async def test_a_run_that_has_not_begun_has_no_figures_and_no_end_in_sight(bench: Workbench) -> None:
    """What is unknown is absent, and what nothing has reached is not 0."""
    found = await figures(bench, await started(bench, objectives=TWO))
    assert found.progress == 0.0 and not found.HasField("duration_seconds")
    assert found.convergence.status == Convergence.STATUS_NOT_STARTED and not found.convergence.HasField("score")
    assert not found.HasField("estimated_completion")
    assert [each.metric for each in found.objective_statistics] == ["exact_match", "cost"]
    assert not any(each.count or each.HasField("best") for each in found.objective_statistics)


async def test_statistics_know_which_way_is_better_and_count_complete_trials_only(bench: Workbench) -> None:
    """X-29: the best cost is the least; failed trials are no zeros."""
    books, row = await begun(bench, TWO)
    for number, reached in enumerate([(0.2, 4.0), (0.4, 1.0), (), (0.9, 7.0)], start=1):
        await complete(books, number, *reached)
    accuracy, cost = (await figures(bench, row)).objective_statistics
    assert (accuracy.count, accuracy.best, accuracy.worst, accuracy.p50) == (3, 0.9, 0.2, 0.4)
    assert (cost.count, cost.best, cost.worst, cost.mean, cost.stddev) == (3, 1.0, 7.0, 4.0, 3.0)
    books, row = await begun(bench, ENDLESS)
    await complete(books, 1, 0.5, 1e300)
    await complete(books, 2, 0.5, -1e300)
    accuracy, cost = (await figures(bench, row)).objective_statistics
    assert accuracy.stddev == 0.0 and cost.best == -1e150


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (RunLimits(), 0.1),
        (RunLimits(metric_calls=80), 0.5),
        (RunLimits(metric_calls=80, tokens=500), 0.8),
        (RunLimits(cost_micros=10_000, tokens=10_000), 0.1),
        (RunLimits(seconds=40), 0.25),
        (RunLimits(tokens=300), 0.99),
    ],
)
async def test_progress_is_that_of_the_limit_that_binds(bench: Workbench, limits: RunLimits, share: float) -> None:
    """X-69: not iterations alone; 1 is kept for runs that are complete. Lists filter and order by it."""
    books, row = await begun(bench, TWO, max_trials=10, limits=limits)
    await complete(books, 1, 0.2, 4.0)
    await books.begin(Suggestion(2, {"k": 2}, "h", 2, "s"), 1, [])
    await used(books, 2, Usage(40, 400, 900))
    await aged(bench, row, 10.0)
    found = await figures(bench, row)
    assert found.progress == pytest.approx(share, abs=0.01)
    assert found.duration_seconds == pytest.approx(10.0, abs=3.0)
    request = ListOptimizationRunsRequest(filter=f"progress > {share - 0.02}", order_by="progress desc")
    listed = await bench.do("ListOptimizationRuns", request)
    assert [each.id for each in listed.optimization_runs] == [str(row["id"])]
    await books.complete("END_REASON_TRIALS")
    assert (await figures(bench, row)).progress == 1.0


async def test_the_end_is_foretold_while_a_run_runs_and_only_then(bench: Workbench) -> None:
    """By the latest gaps since it last went on: a night's pause makes no trial slower. Of an ended run none is left."""
    books, row = await begun(bench, TWO, max_trials=10)
    await aged(bench, row, 30_000.0)
    for number in range(1, 6):
        await complete(books, number, 0.2, 4.0)
    await spaced(bench, row, 20.0)
    estimate = (await figures(bench, row)).estimated_completion
    (now,) = await books.parts.database.reads(row["organization_id"], 5.0).fetch("SELECT now() AS now", {})
    # The fifth ends 100 s from now, and five are left.
    ahead = [(at.ToDatetime(tzinfo=UTC) - now["now"]).total_seconds() for at in (estimate.at, estimate.latest)]
    assert ahead[0] == pytest.approx(200.0, abs=8.0) and ahead[1] == pytest.approx(200.0, abs=20.0)
    assert estimate.limit == "max_trials"
    async with bench.database.system() as tx:
        await tx.execute("UPDATE optimization_runs SET status = 'STATUS_PAUSED' WHERE id = %(id)s", row)
    assert not (await figures(bench, row)).HasField("estimated_completion")
    async with bench.database.system() as tx:
        await tx.execute("UPDATE optimization_runs SET status = 'STATUS_RUNNING' WHERE id = %(id)s", row)
    await books.complete("END_REASON_TRIALS")
    assert not (await figures(bench, row)).HasField("estimated_completion")


async def test_convergence_follows_the_front_where_it_has_a_volume_and_the_first_objective_elsewhere(
    bench: Workbench,
) -> None:
    """Its rule and what it is about are said."""
    books, row = await begun(bench, TWO)
    for number in range(1, 12):
        await complete(books, number, 0.2, 9.0 - number / 2)
    found = (await figures(bench, row)).convergence
    assert (found.status, found.followed) == (Convergence.STATUS_EXPLORING, "hypervolume")
    books, row = await begun(bench, ENDLESS, max_trials=200)
    await complete(books, 1, 0.2, 9.0)
    found = (await figures(bench, row)).convergence
    assert (found.status, found.followed, found.window) == (Convergence.STATUS_EXPLORING, "exact_match", 20)
