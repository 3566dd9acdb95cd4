"""The story of a run is the same whoever evaluates it: one course of things, told of a managed and an external run."""

from collections.abc import Sequence
from typing import Any

from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits

from framework.structs import values_of
from framework.testing.workbench import Workbench
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage
from services.optimizer.suggesting import Suggestion
from services.optimizer.warm import WarmRuns
from tests.integration.optimizer.asked import Run, ask, let_end, opened, tell
from tests.integration.optimizer.books import told
from tests.integration.optimizer.test_fronts import TWO, begun
from tests.integration.optimizer.test_watching import watch

ALIKE: dict[str, Any] = {
    "schedule": Run.SCHEDULE_SYNCHRONOUS,
    "parallelism": 2,
    "max_trials": 4,
    "limits": RunLimits(metric_calls=10, tokens=1000),
}
# What each trial reaches, and whether it tells examples on its way; the third fails.
REACHED = {1: (0.5, 5.0), 2: (0.9, 9.0), 3: (), 4: (0.6, 4.0)}
SAME = {
    *("RUN_STARTED", "STEP_STARTED", "TRIAL_STARTED", "TRIAL_PROGRESSED", "TRIAL_COMPLETED", "TRIAL_FAILED"),
    *("BEST_CHANGED", "FRONT_CHANGED", "BUDGET_WARNED", "RUN_ENDED"),
}
# One act for both kinds of run tells these: the first is in `test_external_clients.py`, the others are below.
STEERED = {"RUN_CREATED", "RUN_PAUSED", "RUN_RESUMED", "RUN_EXTENDED", "TRIAL_HANDED_ON"}
MANAGED = {
    "RUN_TAKEN_OVER": "clients have no worker that could be lost: what one leaves is handed on",
    "RUN_CANCELLING": "no worker must stop first: an external run is cancelled at once",
    "RUN_RETRIED": "what clients could not do is not tried again: an external run is extended instead",
    "TRIAL_WAITING": "clients call their models themselves",
    "TRIAL_DROPPED": "races are the platform's; of an external run's, trials are dropped that are imported so",
    "HOLDOUT_STARTED": "clients see whatever they evaluate",
    "ABLATION_STARTED": "nobody is left to evaluate it when the last client has told",
    "BOOTSTRAP_STARTED": "demonstrations are made of what a program answers, which only the platform asks",
    "BOOTSTRAPPED": "demonstrations are made of what a program answers, which only the platform asks",
    "REPEATS_STARTED": "clients evaluate as often as they like before they tell",
    "TRIAL_REPEATED": "clients evaluate as often as they like before they tell",
}


def test_every_kind_has_its_place() -> None:
    """Whoever adds a kind says whether both kinds of run tell it, or why not."""
    kinds = {name.removeprefix("TYPE_") for name, number in RunEvent.Type.items() if number}
    assert kinds == SAME | STEERED | MANAGED.keys()


async def test_both_kinds_of_run_tell_the_same_story(bench: Workbench) -> None:
    """Batches, parents with what differs, ends with what all came to, best, front with version, warnings, the end."""
    run = await opened(bench, objectives=TWO, seed=8, **ALIKE)
    for batch in ((1, 2), (3, 4)):
        given = {each.number: each for each in (await ask(bench, run, count=2)).trials}
        assert set(given) == set(batch)
        for number in batch:
            examples = [pb.ReportedExample(example_id=str(n), tokens=5, cost_micros=1) for n in range(2)]
            await bench.do(
                "ReportExamples", pb.ReportExamplesRequest(id=run, client="a", number=number, examples=examples)
            )
            goals = dict(zip(("exact_match", "cost"), REACHED[number], strict=False))
            await tell(bench, run, "a", pb.TrialCompletion(number=number, objectives=goals, error=_error(number)))
    row = {"organization_id": bench.organization_id, "id": run}
    outside = await told(bench, row)
    inside = await _managed(
        bench, [values_of(e.configuration) for e in outside if e.type == RunEvent.TYPE_TRIAL_STARTED]
    )
    assert [comparable(each) for each in outside] == [comparable(each) for each in inside]
    assert {RunEvent.Type.Name(each.type).removeprefix("TYPE_") for each in outside} == SAME
    frames: list[WatchOptimizationRunResponse] = [frame async for frame in watch(bench, row)]
    assert [frame.item for frame in frames[:-1]] == outside and frames[-1].WhichOneof("frame") == "end"


def _error(number: int) -> str:
    return "" if REACHED[number] else "it failed"


async def _managed(bench: Workbench, chosen: Sequence[dict[str, Any]]) -> list[RunEvent]:
    """Returns the story of a managed run that tries these and reaches the same, as its worker's books tell it."""
    books, row = await begun(bench, TWO, **ALIKE)
    for batch in ((1, 2), (3, 4)):
        rows = [await books.begin(Suggestion(n, chosen[n - 1], "h", n, "s"), 0, []) for n in batch]
        for trial in rows:
            number = trial["number"]
            books.spending.note(trial["id"], Usage(2, 10, 2))
            await books.progress(trial, 2, 0, Usage(2, 10, 2))
            goals = dict(zip(("exact_match", "cost"), REACHED[number], strict=False))
            ended = Outcome(goals, _error(number), finished_count=2, example_count=2, usage=Usage(2, 10, 2))
            await books.finish(trial, ended)
    await books.complete("END_REASON_TRIALS")
    return await told(bench, row)


def comparable(event: RunEvent) -> RunEvent:
    """Returns an event without what is another in every run."""
    plain = RunEvent()
    plain.CopyFrom(event)
    for field in ("run_id", "trial_id", "occurred_at"):
        plain.ClearField(field)
    return plain


async def test_what_is_done_to_an_external_run_is_told(bench: Workbench) -> None:
    """Paused, resumed, extended by whoever may, and a trial that another client has now."""
    run = await opened(bench, max_trials=3)
    await ask(bench, run)
    await let_end(bench, run, 1)
    await ask(bench, run, "b")
    await bench.do("PauseOptimizationRun", run_rpc.PauseOptimizationRunRequest(id=run))
    await bench.do("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=run))
    await bench.do("ExtendOptimizationRun", run_rpc.ExtendOptimizationRunRequest(id=run, max_trials=9))
    events = await told(bench, {"organization_id": bench.organization_id, "id": run})
    kinds = {RunEvent.Type.Name(each.type).removeprefix("TYPE_") for each in events}
    assert kinds >= STEERED - {"RUN_CREATED"}


async def test_a_limit_is_warned_of_once_whichever_process_was_told(bench: Workbench) -> None:
    """And anew when it was raised."""
    run = await opened(bench, limits=RunLimits(tokens=100))
    row = {"organization_id": bench.organization_id, "id": run}

    async def warnings() -> list[tuple[str, float, float]]:
        return [(e.limit, e.used, e.most) for e in await told(bench, row) if e.type == RunEvent.TYPE_BUDGET_WARNED]

    for number, tokens in ((1, 70), (2, 15), (3, 5)):
        await ask(bench, run)
        await tell(bench, run, "a", pb.TrialCompletion(number=number, objectives={"gain": 0.1}, tokens=tokens))
        bench.engine.application.warm = WarmRuns()
    assert await warnings() == [("tokens", 85.0, 100.0)]
    more = run_rpc.ExtendOptimizationRunRequest(id=run, limits=RunLimits(tokens=110))
    await bench.do("ExtendOptimizationRun", more)
    await ask(bench, run)
    await tell(bench, run, "a", pb.TrialCompletion(number=4, objectives={"gain": 0.1}, tokens=1))
    assert await warnings() == [("tokens", 85.0, 100.0), ("tokens", 91.0, 110.0)]
