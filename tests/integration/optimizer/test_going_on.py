"""Runs that go on after their end: extended by who may, with the same seeds and history; retried where they failed."""

from typing import Any
from uuid import UUID

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.optimizer.v1.trial_pb2 import Trial
from ashgrove.program.v1 import execution_pb2

from framework.errors import IllegalState, InvalidFields, NotFound
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.optimizer import continuing, extending
from services.optimizer.outcomes import Outcome
from tests.integration.optimizer.books import claimed, started, told
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_limits import ended, tenfold
from tests.integration.optimizer.test_pausing import act, has
from tests.integration.optimizer.test_pausing import trials as trials_of
from tests.integration.optimizer.test_searches import now, play, search_of, trials

__all__ = ["play"]
Run, Kind = run_pb.OptimizationRun, RunEvent


async def extended(around: Neighbourhood, who: Any, run: Any, **more: Any) -> Run:
    """Extends a run as an actor."""
    request = pb.ExtendOptimizationRunRequest(id=run.id, **more)
    return await around.do(who, "ExtendOptimizationRun", request)  # type: ignore[no-any-return]


async def test_a_completed_run_goes_on_as_if_it_had_been_longer(around: Neighbourhood) -> None:
    """Nothing is evaluated again, the next suggestions are those of the longer run, under a grant that ends with it."""
    user = await around.person()
    wanted = await around.wanted(user, max_trials=2, seed=5)
    async with around.working():
        run = await around.start(user, wanted)
        await has(around, user, run, Run.STATUS_COMPLETED)
        with pytest.raises(InvalidFields):
            await extended(around, user, run, max_trials=2)
        going = await extended(around, user, run, max_trials=4)
        assert going.status == Run.STATUS_RUNNING and not going.end_reason and not going.HasField("completed_at")
        await has(around, user, run, Run.STATUS_COMPLETED)
        wanted.max_trials = 4
        longer = await around.start(user, wanted)
        await has(around, user, longer, Run.STATUS_COMPLETED)
    mine, theirs = await trials_of(around, user, run), await trials_of(around, user, longer)
    assert [t.configuration for t in mine] == [t.configuration for t in theirs] and len(mine) == 4
    assert len(around.model.asked) == 8 * 4
    row = {"organization_id": around.house.organization_id, "id": run.id}
    kinds = [e.type for e in await told(around.optimizer, row)]
    assert kinds.count(Kind.TYPE_RUN_ENDED) == 2 and Kind.TYPE_RUN_EXTENDED in kinds
    assert Kind.TYPE_RUN_TAKEN_OVER not in kinds
    assert [bool(g["ended_at"]) for g in await around.grants()][:2] == [True, True]


async def test_only_who_may_start_it_lets_it_go_on(around: Neighbourhood) -> None:
    """Its owner or an administrator: a colleague who sees it is refused, and nothing has changed."""
    user, other = await around.person(), await around.person()
    run = await around.start(user, await around.wanted(user))
    with pytest.raises(NotFound):  # of a private program
        await extended(around, other, run, max_trials=9)
    assert (await act(around, user, "Cancel", run)).max_trials == 2


async def test_a_running_run_is_extended_without_a_break(around: Neighbourhood) -> None:
    """Its worker loses it and the next goes on: trials in their middle are attached to, no example is asked twice."""
    user = await around.person()
    around.model.held = lambda text: "text 3" in text
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=1))

        async def held() -> bool:
            return len(around.model.asked) == 4

        await until(held)
        assert (await extended(around, user, run, max_trials=2)).status == Run.STATUS_RUNNING
        around.model.let_go.set()
        await has(around, user, run, Run.STATUS_COMPLETED)
    assert len(around.model.asked) == 8 and len(await trials_of(around, user, run)) == 2


@pytest.mark.parametrize(
    ("limits", "raised", "count"),
    [
        ({"metric_calls": 20}, {"metric_calls": 40}, 4),
        ({"target": 1.0, "patience": 9}, {"target": 2.0}, 5),
        ({"patience": 2}, {"patience": 4}, 5),
    ],
)
async def test_a_limit_that_ended_a_run_is_raised(
    bench: Workbench, play: Any, limits: dict[str, Any], raised: dict[str, Any], count: int
) -> None:
    """The row says so, and the next worker goes on until the new one; limits that are not named stay."""
    run, before = await ended(bench, tenfold, play, limits=limits, max_trials=5)
    assert run.status == Run.STATUS_COMPLETED and len(before) < count
    row = {"id": UUID(run.id), "organization_id": bench.organization_id}
    await reopened(bench, row, limits=raised)
    await search_of(bench, await claimed(bench, row)).run()
    run = await now(bench, row)
    assert run.status == Run.STATUS_COMPLETED and len(await trials(bench, row)) == count
    assert {**limits, **raised}.items() <= {n: getattr(run.limits, n) for n in {*limits, *raised}}.items()


async def reopened(bench: Workbench, row: dict[str, Any], **more: Any) -> None:
    """Does to the row what ExtendOptimizationRun does, without the peers that it asks for a grant."""
    call = bench.engine.call(bench.context(bench.user, "ExtendOptimizationRun"))
    request = pb.ExtendOptimizationRunRequest(id=str(row["id"]), **more)
    await continuing._gone(
        call, request.id, "ExtendOptimizationRun", lambda r: extending._extended(r, request), str(row["id"])
    )


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({}, "max_trials"),
        ({"max_trials": 3}, "max_trials"),
        ({"limits": RunLimits(tokens=500)}, "limits.tokens"),
        ({"limits": RunLimits(metric_calls=20), "max_trials": 9}, "limits.metric_calls"),
        ({"max_trials": 9}, "limits.metric_calls"),
    ],
)
async def test_what_is_no_extension_is_refused_by_path(
    bench: Workbench, play: Any, more: dict[str, Any], path: str
) -> None:
    """Nothing, no more than before, a limit that it has not, and all but the one that ended it."""
    run, _ = await ended(bench, tenfold, play, limits={"metric_calls": 20}, max_trials=5)
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ExtendOptimizationRun", pb.ExtendOptimizationRunRequest(id=run.id, **more))
    assert path in {v.path for v in refused.value.violations}


async def test_a_strategy_without_another_point_has_nothing_to_go_on_with(bench: Workbench, play: Any) -> None:
    """And a cancelled run stays cancelled."""
    grid = {"strategy": Run.STRATEGY_GRID_SEARCH, "strategy_configuration": {"grid_search": {"levels": 2}}}
    run, _ = await ended(bench, tenfold, play, max_trials=9, **grid)
    assert run.end_reason == Run.END_REASON_EXHAUSTED
    for rpc in ("Extend", "Retry"):
        more = {"max_trials": 10} if rpc == "Extend" else {}
        request = getattr(pb, f"{rpc}OptimizationRunRequest")(id=run.id, **more)
        with pytest.raises(IllegalState):
            await bench.do(f"{rpc}OptimizationRun", request)
    row = await started(bench)
    await bench.do("CancelOptimizationRun", pb.CancelOptimizationRunRequest(id=str(row["id"])))
    with pytest.raises(IllegalState):
        await bench.do("ExtendOptimizationRun", pb.ExtendOptimizationRunRequest(id=str(row["id"]), max_trials=9))


async def test_a_failed_run_tries_again_what_had_failed(bench: Workbench, play: Any) -> None:
    """The same configurations as new trials, which do not count; then it goes on with the trials that it had left."""
    broken = True

    async def evaluate(*arguments: Any) -> Outcome:
        if broken:
            return Outcome(error="the model does not answer", error_class="ERROR_CLASS_MODEL_UNAVAILABLE")
        return await tenfold(*arguments)

    run, before = await ended(bench, evaluate, play, max_trials=6)
    assert (run.status, len(before)) == (Run.STATUS_FAILED, 5)
    assert run.error_class == execution_pb2.ERROR_CLASS_MODEL_UNAVAILABLE
    broken, row = False, {"id": UUID(run.id), "organization_id": bench.organization_id}
    await retried(bench, row)
    await search_of(bench, await claimed(bench, row)).run()
    run, done = await now(bench, row), await trials(bench, row)
    assert (run.status, run.error_class, run.error) == (Run.STATUS_COMPLETED, 0, "")
    assert [t.origin for t in done] == [Trial.ORIGIN_SUGGESTED] * 5 + [Trial.ORIGIN_RETRIED] * 5 + [
        Trial.ORIGIN_SUGGESTED
    ]
    assert [t.origin_trial_number for t in done[5:]] == [1, 2, 3, 4, 5, 0]
    assert [t.configuration for t in done[5:10]] == [t.configuration for t in before]
    assert (run.completed_trials, run.failed_trials) == (6, 5)


async def retried(bench: Workbench, row: dict[str, Any]) -> None:
    """Does to the row what RetryOptimizationRun does, without the peers that it asks for a grant."""
    going = continuing.Going(Kind.TYPE_RUN_RETRIED, {"retried_trials": continuing.ALL_TRIALS})
    call = bench.engine.call(bench.context(bench.user, "RetryOptimizationRun"))
    await continuing._gone(call, str(row["id"]), "RetryOptimizationRun", lambda _: going, str(row["id"]))


async def test_a_run_that_fails_again_after_its_retry_fails_again(bench: Workbench, play: Any) -> None:
    """Five new failures, not one: what failed before says nothing about now. And it may be retried again."""

    async def fail(*_: Any) -> Outcome:
        return Outcome(error="refused", error_class="ERROR_CLASS_AUTH")

    run, _ = await ended(bench, fail, play, max_trials=3)
    row = {"id": UUID(run.id), "organization_id": bench.organization_id}
    for count in (6, 9):
        await retried(bench, row)
        await search_of(bench, await claimed(bench, row)).run()
        run = await now(bench, row)
        assert (run.status, len(await trials(bench, row))) == (Run.STATUS_FAILED, count)
        assert run.error_class == execution_pb2.ERROR_CLASS_AUTH


async def test_an_extended_run_that_had_failed_has_its_failures_tried_again(bench: Workbench, play: Any) -> None:
    """Where nothing was left to spend, a retry says what to extend, and the extension is the retry."""

    async def fail(*_: Any) -> Outcome:
        return Outcome(error="refused", finished_count=10, usage=(await tenfold(*_[:3], {"number": 1})).usage)

    run, _ = await ended(bench, fail, play, limits={"metric_calls": 20}, max_trials=9)
    assert run.status == Run.STATUS_FAILED
    with pytest.raises(IllegalState, match="metric_calls"):
        await bench.do("RetryOptimizationRun", pb.RetryOptimizationRunRequest(id=run.id))
    row = {"id": UUID(run.id), "organization_id": bench.organization_id}
    await reopened(bench, row, limits=RunLimits(metric_calls=60))
    play(tenfold)
    await search_of(bench, await claimed(bench, row)).run()
    run, done = await now(bench, row), await trials(bench, row)
    assert run.status == Run.STATUS_COMPLETED and run.completed_trials == 4
    assert [t.origin_trial_number for t in done] == [0, 0, 1, 2, 0, 0]
