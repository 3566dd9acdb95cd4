"""A worker's search on a real database: how it ends, and what it leaves; the evaluations are played by a peer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import CancelOptimizationRunRequest, GetOptimizationRunRequest
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest

from domain.space import Space
from framework.errors import DependencyUnavailable, GrantLost
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.optimizer import under_way
from services.optimizer.outcomes import Outcome
from services.optimizer.search import Search
from services.optimizer.under_way import UnderWay
from services.optimizer.worker import Worker
from tests.integration.optimizer.books import alone, claimed, leases_of, parts_of, started, told

SPACE = Space.from_json([{"name": "x", "float": {"low": 0.0, "high": 1.0}}])
PROGRAMS = Path(__file__).parents[2] / "programs"
Status = run_pb.OptimizationRun
Kind = RunEvent
Evaluate = Callable[..., Any]


@pytest.fixture
async def play(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Evaluate], None]]:
    """Lets a function do the evaluations, and gives every run the same space."""

    async def space(_: Search) -> Space:
        return SPACE

    async def nothing(*_: Any) -> None:
        return

    monkeypatch.setattr(Search, "_space", space)
    monkeypatch.setattr(UnderWay, "_have", nothing)
    yield lambda evaluate: monkeypatch.setattr(under_way, "evaluate", evaluate)


async def by_value(_: Any, __: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
    return Outcome({"exact_match": trial["configuration"]["x"]}, finished_count=10, example_count=10)


def search_of(bench: Workbench, row: dict[str, Any]) -> Search:
    return Search(parts_of(bench), bench.engine.application, leases_of(bench), row)


async def now(bench: Workbench, row: dict[str, Any]) -> run_pb.OptimizationRun:
    found: run_pb.OptimizationRun = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    return found


async def trials(bench: Workbench, row: dict[str, Any]) -> list[Any]:
    request = ListTrialsRequest(optimization_run_id=str(row["id"]), order_by="number")
    return list((await bench.do("ListTrials", request)).trials)


async def test_a_search_tells_its_whole_story_and_ends_its_grant(bench: Workbench, play: Any) -> None:
    """X-63, X-69 to X-72: start, every trial, every better best and the end are told, each once, in order."""
    play(by_value)
    row = await claimed(bench, await started(bench, max_trials=4))
    await search_of(bench, row).run()
    run, kinds = await now(bench, row), [e.type for e in await told(bench, row)]
    assert run.status == Status.STATUS_COMPLETED and run.started_at.ToNanoseconds() <= run.completed_at.ToNanoseconds()
    assert (kinds[0], kinds[-1]) == (Kind.TYPE_RUN_STARTED, Kind.TYPE_RUN_ENDED)
    assert kinds.count(Kind.TYPE_TRIAL_STARTED) == kinds.count(Kind.TYPE_TRIAL_COMPLETED) == run.completed_trials == 4
    reached = [t.objectives["exact_match"] for t in await trials(bench, row)]
    improvements = [v for i, v in enumerate(reached) if v > max(reached[:i], default=-1.0)]
    assert kinds.count(Kind.TYPE_BEST_CHANGED) == len(improvements)
    assert bench.engine.application.ended == [str(row["grant_id"])]


# What is bootstrapped is gathered from peers: see test_bootstrapping.
_ALONE = [number for number in Status.Strategy.values() if number not in (0, Status.STRATEGY_BOOTSTRAP_RANDOM_SEARCH)]


@pytest.mark.parametrize("strategy", _ALONE)
async def test_every_strategy_that_is_declared_runs(
    bench: Workbench, play: Any, strategy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is a name without a sampler; trials at a time are different ones, and each knows of the pending."""
    play(by_value)
    monkeypatch.syspath_prepend(str(PROGRAMS))
    more = {"registered": {"name": "climbing"}} if strategy == Status.STRATEGY_REGISTERED else None
    wanted = {"strategy": strategy, "strategy_configuration": more}
    row = await claimed(bench, await started(bench, **wanted, max_trials=5, parallelism=3))
    await search_of(bench, row).run()
    done = await trials(bench, row)
    assert (await now(bench, row)).status == Status.STATUS_COMPLETED
    assert len({t.content_hash for t in done}) == 5 and {2, 3} <= {t.number for t in done if t.pending_then}


async def test_a_grid_is_complete_when_there_is_no_other_point(bench: Workbench, play: Any) -> None:
    """Before its trials are spent; of as many values as the run's configuration says."""
    play(by_value)
    wanted = {"grid_search": {"levels": 3}}
    row = await started(
        bench, strategy=Status.STRATEGY_GRID_SEARCH, strategy_configuration=wanted, max_trials=9, parallelism=2
    )
    await search_of(bench, await claimed(bench, row)).run()
    run = await now(bench, row)
    assert run.status == Status.STATUS_COMPLETED and run.completed_trials == 3 and not run.error
    assert run.strategy_configuration.grid_search.levels == 3
    assert [t.configuration["x"] for t in await trials(bench, row)] == [0.0, 0.5, 1.0]


async def test_a_cancelled_search_writes_nothing_after_its_end(bench: Workbench, play: Any) -> None:
    """X-64: the end is the last of the story, however busy the search was; what was finished stays."""
    play(by_value)
    row = await claimed(bench, await started(bench, max_trials=10_000, parallelism=8))
    searching = asyncio.create_task(search_of(bench, row).run())

    async def five() -> bool:
        return (await now(bench, row)).completed_trials >= 5

    await until(five)
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    await searching
    run = await now(bench, row)
    assert run.status == Status.STATUS_CANCELLED and run.completed_trials >= 5
    async with bench.database.tenant(row["organization_id"]) as tx:
        last = await tx.fetch_one(
            "SELECT event FROM run_events WHERE run_id = %(id)s ORDER BY sequence DESC LIMIT 1", row
        )
        left = await tx.fetch(
            "SELECT 1 FROM trials WHERE optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'", row
        )
    assert last is not None and last["event"]["type"] == "TYPE_RUN_ENDED" and not left


async def test_a_database_that_is_away_for_a_moment_cancels_no_run(
    bench: Workbench, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not knowing whether a run is to be stopped is no wish to stop it."""
    waiting = asyncio.Event()

    async def held(*arguments: Any) -> Outcome:
        await waiting.wait()
        return await by_value(*arguments)

    async def away() -> str:
        waiting.set()
        raise DependencyUnavailable("the database does not answer")

    play(held)
    row = await claimed(bench, await started(bench, max_trials=2))
    searching = search_of(bench, row)
    monkeypatch.setattr(searching.ledger, "status", away)
    await searching.run()
    assert (await now(bench, row)).status == Status.STATUS_COMPLETED


async def test_a_lost_grant_pauses_the_run_and_keeps_what_is_finished(bench: Workbench, play: Any) -> None:
    """The batch's finished trial is kept before the loss of another counts; the pause is the story's last word."""

    async def lost(*arguments: Any) -> Outcome:
        if arguments[3]["number"] == 1:
            raise GrantLost("the grant no longer holds: user inactive", cause="user inactive")
        return await by_value(*arguments)

    play(lost)
    wanted = {"parallelism": 2, "schedule": Status.SCHEDULE_SYNCHRONOUS}
    row = await claimed(bench, await started(bench, **wanted))
    await search_of(bench, row).run()
    run = await now(bench, row)
    assert run.status == Status.STATUS_PAUSED and "user inactive" in run.error and run.completed_trials == 1
    assert (await told(bench, row))[-1].type == Kind.TYPE_RUN_PAUSED


async def test_a_run_whose_first_trials_all_fail_is_given_up_with_the_reason(bench: Workbench, play: Any) -> None:
    """Five failures and no result: the rest would fail as well."""

    async def fail(*_: Any) -> Outcome:
        return Outcome(error="the model refused the request")

    play(fail)
    row = await claimed(bench, await started(bench, max_trials=100))
    await search_of(bench, row).run()
    run = await now(bench, row)
    assert (run.status, run.failed_trials) == (Status.STATUS_FAILED, 5) and "refused" in run.error


async def test_after_a_takeover_suggestions_are_kept_and_pending_trials_go_on(bench: Workbench, play: Any) -> None:
    """No stored suggestion is computed again, and what is pending is evaluated under the id it has."""
    asked: list[tuple[int, str]] = []

    async def third_hangs(*arguments: Any) -> Outcome:
        asked.append((arguments[3]["number"], str(arguments[3]["evaluation_id"])))
        if arguments[3]["number"] == 3 and len(asked) == 3:
            await asyncio.Event().wait()
        return await by_value(*arguments)

    play(third_hangs)
    row = await started(bench, max_trials=5)
    first = asyncio.create_task(search_of(bench, await claimed(bench, row)).run())

    async def third() -> bool:
        return len(asked) == 3

    await until(third)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    before = await trials(bench, row)
    await search_of(bench, await claimed(bench, row)).run()
    after = await trials(bench, row)
    assert [t.configuration for t in after[:3]] == [t.configuration for t in before]
    assert [number for number, _ in asked] == [1, 2, 3, 3, 4, 5] and asked[2] == asked[3]
    assert Kind.TYPE_RUN_TAKEN_OVER in [e.type for e in await told(bench, row)]


@pytest.mark.parametrize("torn", [4, 5], ids=["one of the batch was written", "two were"])
async def test_a_batch_torn_by_a_takeover_is_completed_as_it_would_have_been(
    bench: Workbench, play: Any, torn: int
) -> None:
    """A synchronous run depends on seed and results alone: a loss in the middle of a batch changes no suggestion."""
    play(by_value)
    wanted = {"max_trials": 15, "parallelism": 3, "schedule": Status.SCHEDULE_SYNCHRONOUS, "seed": 7}
    wanted["strategy"] = Status.STRATEGY_BAYESIAN
    whole, row = await started(bench, **wanted), await started(bench, **wanted)
    await search_of(bench, await claimed(bench, whole)).run()
    first = search_of(bench, await claimed(bench, row))
    begin = first.ledger.begin

    async def dies(suggestion: Any, *informed: Any) -> Any:
        if suggestion.number > torn:
            raise DependencyUnavailable("the worker is gone")
        return await begin(suggestion, *informed)

    first.ledger.begin = dies  # type: ignore[assignment]
    with pytest.raises(DependencyUnavailable):
        await first.run()
    await search_of(bench, await claimed(bench, row)).run()
    undisturbed, disturbed = await trials(bench, whole), await trials(bench, row)
    assert [t.configuration for t in disturbed] == [t.configuration for t in undisturbed]
    assert [t.informed_count for t in disturbed] == [t.informed_count for t in undisturbed]


async def test_a_worker_that_stops_lets_go_and_one_that_meets_a_fault_gives_up(bench: Workbench, play: Any) -> None:
    """The next worker need not wait for the lease; and a fault of ours does not come back for ever."""
    begun = asyncio.Event()

    async def hangs(*_: Any) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks(*_: Any) -> Outcome:
        raise RuntimeError("a bug")

    row = await started(bench)
    await alone(bench, row)
    play(hangs)
    task = asyncio.create_task(Worker(parts_of(bench), bench.engine.application).run())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with bench.database.system() as tx:
        left = await tx.fetch_one("SELECT lease_until FROM optimization_runs WHERE id = %(id)s", row)
    assert left == {"lease_until": None}
    play(breaks)
    task = asyncio.create_task(Worker(parts_of(bench), bench.engine.application).run())

    async def ended() -> bool:
        return (await now(bench, row)).status != Status.STATUS_RUNNING

    await until(ended)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    run = await now(bench, row)
    assert run.status == Status.STATUS_FAILED and "a bug" not in run.error
