"""X-71, X-72: a run's story says where each trial comes from, what the run came to, and which limit is near."""

from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunRequest
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits

from framework.structs import values_of
from framework.testing.workbench import Workbench
from services.optimizer import telling
from services.optimizer.ledger import Ledger
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage
from services.optimizer.suggesting import Suggestion
from tests.integration.optimizer.books import claimed, ledger, told
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_fronts import TWO, begun
from tests.integration.optimizer.test_holding_out import ended, started

Kind = RunEvent


async def tried(
    books: Ledger, number: int, values: dict[str, Any], *reached: float, usage: Usage | None = None
) -> None:
    """Has a trial tried, with what it reached in both objectives; it fails when it reached nothing."""
    trial = await books.begin(Suggestion(number, values, "h", number, "s"), 0, [])
    goals = dict(zip(("exact_match", "cost"), reached, strict=False))
    await books.finish(trial, Outcome(goals, "" if reached else "it failed", usage=usage or Usage(4, 10, 2)))


def of_kind(events: list[RunEvent], kind: int) -> list[RunEvent]:
    """Returns the events of one kind."""
    return [each for each in events if each.type == kind]


async def test_a_trial_says_from_which_of_the_front_it_differs_least_and_in_what(bench: Workbench) -> None:
    """The older of equals; what is inactive is absent, and what has left the front is no parent."""
    books, row = await begun(bench, TWO)
    await tried(books, 1, {"k": 1, "mode": "a"}, 0.5, 5.0)
    await tried(books, 2, {"k": 2, "mode": "a"}, 0.9, 9.0)
    await tried(books, 3, {"k": 2, "mode": "b", "depth": 4}, 0.6, 4.0)
    await tried(books, 4, {"k": 1, "mode": "a"})
    first, second, third, fourth = of_kind(await told(bench, row), Kind.TYPE_TRIAL_STARTED)
    assert not first.parent_trial_number and not first.changes
    assert second.parent_trial_number == 1
    assert [(c.path, c.before.number_value, c.after.number_value) for c in second.changes] == [("k", 1, 2)]
    assert third.parent_trial_number == 2 and {each.path for each in third.changes} == {"mode", "depth"}
    assert not next(each for each in third.changes if each.path == "depth").HasField("before")
    assert fourth.parent_trial_number == 2  # the third has taken the first one's place


async def test_an_end_says_what_the_run_came_to(bench: Workbench) -> None:
    """Counts as of that event, and all that was used, that of trials which failed too."""
    books, row = await begun(bench, TWO)
    await tried(books, 1, {"k": 1}, 0.5, 5.0)
    await tried(books, 2, {"k": 2})
    events = await told(bench, row)
    (done,), (failed,) = of_kind(events, Kind.TYPE_TRIAL_COMPLETED), of_kind(events, Kind.TYPE_TRIAL_FAILED)
    assert (done.totals.completed_trials, done.totals.failed_trials, done.totals.metric_calls) == (1, 0, 4)
    assert (failed.totals.completed_trials, failed.totals.failed_trials, failed.totals.tokens) == (1, 1, 20)


async def test_a_limit_is_warned_of_once_also_by_the_worker_that_takes_over(bench: Workbench) -> None:
    """From four fifths on; each limit by itself."""
    books, row = await begun(bench, TWO, limits=RunLimits(metric_calls=10, tokens=1000))
    await tried(books, 1, {"k": 1}, 0.5, 5.0, usage=Usage(7, 100, 0))
    assert not of_kind(await told(bench, row), Kind.TYPE_BUDGET_WARNED)
    trial = await books.begin(Suggestion(2, {"k": 2}, "h", 2, "s"), 0, [])
    books.spending.note(trial["id"], Usage(1, 10, 0))
    await books.progress(trial, 1, 4, Usage(1, 10, 0))
    (warning,) = of_kind(await told(bench, row), Kind.TYPE_BUDGET_WARNED)
    assert (warning.limit, warning.used, warning.most) == ("metric_calls", 8.0, 10.0)
    books = ledger(bench, await claimed(bench, row))
    await books.start()
    books.spending.begin(await books.trials(), float("inf"))
    await books.finish(trial, Outcome({"exact_match": 0.5, "cost": 5.0}, usage=Usage(2, 900, 0)))
    limits = [each.limit for each in of_kind(await told(bench, row), Kind.TYPE_BUDGET_WARNED)]
    assert limits == ["metric_calls", "tokens"]


async def test_a_synchronous_run_tells_of_its_batches(bench: Workbench) -> None:
    """Before the first trial of each; others have none."""
    books, row = await begun(bench, TWO, schedule=run_pb.OptimizationRun.SCHEDULE_SYNCHRONOUS, parallelism=2)
    for number in (1, 2, 3):
        await tried(books, number, {"k": number}, 0.5, 5.0)
    events = [each for each in await told(bench, row) if each.type in (Kind.TYPE_STEP_STARTED, Kind.TYPE_TRIAL_STARTED)]
    assert [(each.step, each.trial_number) for each in events] == [(1, 0), (0, 1), (0, 2), (2, 0), (0, 3)]
    assert not telling.step({"schedule": "SCHEDULE_ASYNCHRONOUS", "parallelism": 2}, 1)


async def test_a_watch_from_any_position_tells_the_rest_and_its_end(around: Neighbourhood) -> None:
    """The last look and the ablation begin behind the last trial, and nothing that they find is told."""
    owner = await around.person()
    run = await started(around, owner, max_trials=5)
    async with around.working():
        run = await ended(around, owner, run)

    async def watched(after: int) -> list[Any]:
        request = WatchOptimizationRunRequest(id=run.id, from_sequence=after)
        metadata = (("authorization", f"Bearer {around.house.tokens.issue_identity(owner).text}"),)
        return [frame async for frame in around.stubs["optimizer"].WatchOptimizationRun(request, metadata=metadata)]

    *items, end = await watched(0)
    events = [frame.item for frame in items]
    assert end.WhichOneof("frame") == "end" and [each.sequence for each in events] == list(range(1, len(events) + 1))
    behind = [each.type for each in events[-3:]]
    assert behind == [Kind.TYPE_HOLDOUT_STARTED, Kind.TYPE_ABLATION_STARTED, Kind.TYPE_RUN_ENDED]
    assert not [each for each in events[-3:] if each.objectives or values_of(each.configuration)]
    for after in (1, len(events) - 1, len(events)):
        assert [frame.item for frame in (await watched(after))[:-1]] == events[after:]
