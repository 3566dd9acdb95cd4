"""How external runs stop and end: paused, cancelled, at a limit, left by everybody."""

from typing import Any

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1 import trial_pb2

from framework.errors import IllegalState
from framework.testing.workbench import Workbench
from services.optimizer.external.sweeping import Sweeper
from tests.integration.optimizer.asked import Run, ask, let_end, now, numbers, opened, reached, tell, trials
from tests.integration.optimizer.books import parts_of


async def test_a_stopped_run_gives_nothing_and_keeps_what_it_is_told(bench: Workbench) -> None:
    """Paused: results still count, and it goes on with the same trials. Cancelled: at once, and nothing counts."""
    run = await opened(bench)
    await ask(bench, run, count=2)
    await bench.do("PauseOptimizationRun", run_rpc.PauseOptimizationRunRequest(id=run))
    paused = await ask(bench, run, count=2)
    assert not paused.trials and paused.standing.should_stop and paused.standing.status == Run.STATUS_PAUSED
    assert (await tell(bench, run, "a", reached(1))).standing.completed_trials == 1
    resumed = await bench.do("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=run))
    assert resumed.status == Run.STATUS_RUNNING and numbers(await ask(bench, run)) == [2]
    gone = await bench.do("CancelOptimizationRun", run_rpc.CancelOptimizationRunRequest(id=run))
    assert gone.status == Run.STATUS_CANCELLED and gone.HasField("completed_at")
    with pytest.raises(IllegalState):
        await tell(bench, run, "a", reached(2))
    assert [t.status for t in await trials(bench, run)][1] == trial_pb2.Trial.STATUS_CANCELLED
    assert not bench.engine.application.ended


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"metric_calls": 25}, Run.END_REASON_METRIC_CALLS),
        ({"tokens": 250}, Run.END_REASON_TOKENS),
        ({"cost_micros": 21}, Run.END_REASON_COST),
        ({"target": 0.03}, Run.END_REASON_TARGET),
    ],
)
async def test_a_limit_ends_the_run_once_nobody_has_a_trial(
    bench: Workbench, limits: dict[str, Any], reason: Any
) -> None:
    """Clients hear that they should stop; what they evaluate already still counts."""
    run = await opened(bench, limits=limits)
    await ask(bench, run, count=4)
    usage = {"metric_calls": 10, "tokens": 100, "cost_micros": 7}
    for number in (1, 2, 3):
        answer = await tell(bench, run, "a", reached(number, number / 100, **usage))
        assert answer.standing.should_stop == (number == 3)
    assert answer.standing.status == Run.STATUS_RUNNING and not (await ask(bench, run, "b")).trials
    ended = (await tell(bench, run, "a", reached(4))).standing
    assert (ended.status, ended.end_reason, ended.completed_trials) == (Run.STATUS_COMPLETED, reason, 4)


async def test_a_run_whose_clients_have_gone_ends_at_its_limit(bench: Workbench) -> None:
    """Once their leases have ended; one that may still start trials waits for whoever comes."""
    left, leased, free = [await opened(bench, limits={"tokens": 5}) for _ in range(3)]
    for run, tokens in ((left, 9), (leased, 9), (free, 1)):
        await ask(bench, run, count=2)
        await tell(bench, run, "a", reached(1, tokens=tokens))
    await let_end(bench, left, 2)
    await let_end(bench, free, 2)
    await Sweeper(parts_of(bench)).sweep()
    states = [await now(bench, run) for run in (left, leased, free)]
    assert [each.status for each in states] == [Run.STATUS_COMPLETED, Run.STATUS_RUNNING, Run.STATUS_RUNNING]
    assert states[0].end_reason == Run.END_REASON_TOKENS
    assert (await trials(bench, left))[1].status == trial_pb2.Trial.STATUS_CANCELLED
    assert numbers(await ask(bench, free, "b")) == [2]


async def test_a_run_of_failures_alone_has_failed(bench: Workbench) -> None:
    run = await opened(bench, max_trials=2)
    await ask(bench, run, count=2)
    ended = await tell(bench, run, "a", *(pb.TrialCompletion(number=n, error="out of memory") for n in (1, 2)))
    assert ended.standing.status == Run.STATUS_FAILED and (await now(bench, run)).error
