"""Runs that begin with what others have found, and trials that have been tried already: nothing is paid for twice."""

from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_pb2 import Trial

from framework.errors import IllegalState, NotFound
from framework.testing.workbench import Workbench
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage
from tests.integration.optimizer.books import claimed, started, told
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import act, has
from tests.integration.optimizer.test_pausing import trials as trials_of
from tests.integration.optimizer.test_searches import now, play, search_of, trials

__all__ = ["play"]
Run, Kind = run_pb.OptimizationRun, RunEvent


async def done(around: Neighbourhood, user: Any, wanted: Run) -> Run:
    """Returns a run at its end."""
    run = await around.start(user, wanted)
    await has(around, user, run, Run.STATUS_COMPLETED)
    return run


async def forked(around: Neighbourhood, who: Any, run: Any, **more: Any) -> Run:
    """Forks a run as an actor."""
    request = pb.ForkOptimizationRunRequest(id=run.id, **more)
    return await around.do(who, "ForkOptimizationRun", request)  # type: ignore[no-any-return]


async def test_a_fork_begins_with_the_trials_of_its_runs(around: Neighbourhood) -> None:
    """They are its first ones, on its front and perhaps its best; none is evaluated again, nor counted as its own."""
    user = await around.person()
    around.model.says = lambda text, temperature: "sv" if temperature > 0.3 else "no"
    wanted = await around.wanted(user, max_trials=3, seed=1, racing={})
    async with around.working():
        one = await done(around, user, wanted)
        wanted.seed = 2
        two = await done(around, user, wanted)
        asked = len(around.model.asked)
        fork = await forked(around, user, one, optimization_run_ids=[two.id], max_trials=2, seed=3)
        assert (fork.inherited_trials, fork.completed_trials, fork.max_trials) == (6, 6, 2)
        assert list(fork.forked_from_optimization_run_ids) == [one.id, two.id]
        await has(around, user, fork, Run.STATUS_COMPLETED)
    assert len(around.model.asked) == asked + 2 * 4
    theirs = [*await trials_of(around, user, one), *await trials_of(around, user, two)]
    mine = await trials_of(around, user, fork)
    assert [t.inherited_trial_id for t in mine[:6]] == [t.id for t in theirs]
    assert [t.objectives for t in mine[:6]] == [t.objectives for t in theirs]
    assert [t.informed_count for t in mine[:6]] == [t.informed_count for t in theirs]
    assert {t.origin for t in mine[:6]} == {Trial.ORIGIN_INHERITED} and sum(t.cost_micros for t in mine[:6]) == 0
    assert [t.informed_count for t in mine[6:]] == [6, 7]
    fork = await act(around, user, "Get", fork)
    assert (fork.completed_trials, fork.best_objectives["exact_match"]) == (8, 1.0)


async def test_what_is_not_comparable_is_refused_by_what_differs(around: Neighbourhood) -> None:
    """Another dataset, an objective that was not measured, a run that nobody may see, none that is complete."""
    user, other = await around.person(), await around.person()
    wanted = await around.wanted(user, max_trials=1)
    async with around.working():
        run = await done(around, user, wanted)
    with pytest.raises(NotFound):
        await forked(around, other, run)
    elsewhere = await around.wanted(user, forked_from_optimization_run_ids=[run.id])
    with pytest.raises(IllegalState, match="program_id"):
        await around.start(user, elsewhere)
    wanted.forked_from_optimization_run_ids.append(run.id)
    wanted.objectives.append(run_pb.Objective(metric="latency_ms"))
    with pytest.raises(IllegalState, match=r"objectives\.latency_ms"):
        await around.start(user, wanted)
    del wanted.objectives[1:]
    wanted.objectives[0].threshold = 0.5  # changes nothing about what was reached
    fork = await around.start(user, wanted)
    assert fork.inherited_trials == 1
    await act(around, user, "Cancel", fork)
    unborn = await around.start(user, await around.wanted(user))
    with pytest.raises(IllegalState, match="no complete trial"):
        await forked(around, user, unborn)
    await act(around, user, "Cancel", unborn)


async def by_value(_: Any, __: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
    value = trial["configuration"]["x"]
    return Outcome({"exact_match": value}, finished_count=10, example_count=10, usage=Usage(10, 100, 7))


@pytest.mark.parametrize("schedule", [Run.SCHEDULE_SYNCHRONOUS, Run.SCHEDULE_ASYNCHRONOUS])
async def test_a_configuration_that_was_tried_takes_nothing(
    bench: Workbench, play: Any, monkeypatch: pytest.MonkeyPatch, schedule: Any
) -> None:
    """Also while the other is being tried: it ends as that one does, and is no second point of the front."""
    evaluated = []

    async def counted(*arguments: Any) -> Outcome:
        evaluated.append(arguments[3]["number"])
        return await by_value(*arguments)

    play(counted)
    monkeypatch.setattr("services.optimizer.suggesting.Suggesting.next", thrice_the_same())
    row = await claimed(bench, await started(bench, max_trials=6, parallelism=2, schedule=schedule))
    await search_of(bench, row).run()
    run, tried = await now(bench, row), await trials(bench, row)
    assert sorted(evaluated) == [1, 4] and run.completed_trials == 6
    assert [t.origin_trial_number for t in tried] == [0, 1, 1, 0, 4, 4]
    assert [t.tokens for t in tried] == [100, 0, 0, 100, 0, 0] and tried[0].evaluation_id == tried[2].evaluation_id
    assert [t.objectives["exact_match"] for t in tried] == [0.25] * 3 + [0.5] * 3
    changes = [e for e in await told(bench, row) if e.type == Kind.TYPE_FRONT_CHANGED]
    assert [list(e.added_trial_numbers) for e in changes] == [[1], [4]]


def thrice_the_same() -> Any:
    """Returns a strategy that suggests each configuration three times."""
    from services.optimizer.suggesting import Suggestion

    async def suggested(_: Any, __: Any, number: int, ___: Any, ____: Any) -> Suggestion:
        value = (0.25, 0.5)[(number - 1) // 3]
        return Suggestion(number, {"x": value}, f"hash of {value}", number, "a test")

    return suggested


async def test_a_copy_of_a_failure_fails_and_is_not_tried_again_by_itself(
    bench: Workbench, play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its original is; and what failed is evaluated anew when it is suggested again."""

    async def fail(*_: Any) -> Outcome:
        return Outcome(error="refused", error_class="ERROR_CLASS_AUTH")

    play(fail)
    monkeypatch.setattr("services.optimizer.suggesting.Suggesting.next", thrice_the_same())
    row = await claimed(bench, await started(bench, max_trials=2, parallelism=2))
    await search_of(bench, row).run()
    tried = await trials(bench, row)
    assert [(t.status, t.origin) for t in tried] == [
        (Trial.STATUS_FAILED, Trial.ORIGIN_SUGGESTED),
        (Trial.STATUS_FAILED, Trial.ORIGIN_COPIED),
    ]
