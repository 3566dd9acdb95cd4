"""What a run may use: it ends when that is spent, keeps what it has, and says why."""

import asyncio
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.program.v1 import execution_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.testing.workbench import Workbench
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage
from services.optimizer.under_way import UnderWay
from tests.integration.optimizer.books import claimed, leases_of, started
from tests.integration.optimizer.test_searches import Evaluate, now, play, search_of, trials

__all__ = ["play"]
Run = run_pb.OptimizationRun
Trial = trial_pb2.Trial


async def ended(bench: Workbench, evaluate: Evaluate, play: Any, **fields: Any) -> tuple[Run, list[Any]]:
    """Returns a run with such limits at its end, and its trials."""
    play(evaluate)
    row = await started(bench, **({"max_trials": 50} | fields))
    await search_of(bench, await claimed(bench, row)).run()
    return await now(bench, row), await trials(bench, row)


async def tenfold(_: Any, __: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
    """Ten examples, a hundred tokens and seven millionths for every trial; each scores as its number says."""
    return Outcome({"exact_match": 1 / trial["number"]}, finished_count=10, example_count=10, usage=Usage(10, 100, 7))


@pytest.mark.parametrize(
    ("limits", "count", "reason"),
    [
        ({"metric_calls": 25}, 3, Run.END_REASON_METRIC_CALLS),
        ({"tokens": 200}, 2, Run.END_REASON_TOKENS),
        ({"cost_micros": 28}, 4, Run.END_REASON_COST),
        ({"target": 1.0}, 1, Run.END_REASON_TARGET),
        ({"patience": 2, "target": 1.5}, 3, Run.END_REASON_PATIENCE),
        ({}, 5, Run.END_REASON_TRIALS),
    ],
)
async def test_a_run_ends_when_its_limit_is_reached(
    bench: Workbench, play: Any, limits: dict[str, Any], count: int, reason: Any
) -> None:
    """Completed, with what it has, and the limit that ended it."""
    run, done = await ended(bench, tenfold, play, limits=limits, max_trials=5)
    assert (run.status, len(done), run.end_reason) == (Run.STATUS_COMPLETED, count, reason)
    assert run.best_objectives["exact_match"] == 1.0


async def test_what_was_used_can_be_read(bench: Workbench, play: Any) -> None:
    """By trial, and summed over the run."""
    run, done = await ended(bench, tenfold, play, max_trials=3)
    assert [(t.finished_count, t.tokens, t.cost_micros) for t in done] == [(10, 100, 7)] * 3
    mask = FieldMask(paths=["metric_calls", "tokens", "cost_micros"])
    read = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=run.id, read_mask=mask))
    assert (read.metric_calls, read.tokens, read.cost_micros) == (30, 300, 21)


async def test_trials_that_run_are_stopped_when_nothing_is_left(bench: Workbench, play: Any) -> None:
    """With the example that reached the limit: each is failed for it, with what it used, and the others stay."""

    async def greedy(_: Any, ledger: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
        if trial["number"] == 1:
            return await tenfold(_, ledger, ___, trial)
        for calls in range(1, 100):
            await asyncio.sleep(0)
            ledger.spending.note(trial["id"], Usage(calls, 10 * calls, 0))
        await asyncio.Event().wait()
        raise AssertionError("nobody stopped it")

    run, done = await ended(bench, greedy, play, limits={"tokens": 350}, parallelism=3)
    assert (run.status, run.end_reason) == (Run.STATUS_COMPLETED, Run.END_REASON_TOKENS)
    assert run.completed_trials == 1 and run.failed_trials == len(done) - 1 > 0
    stopped = [t for t in done if t.number > 1]
    assert {t.error_class for t in stopped} == {execution_pb2.ERROR_CLASS_BUDGET}
    assert all("limit of tokens" in t.error and t.tokens == 10 * t.finished_count for t in stopped)


@pytest.mark.parametrize("dies_at", ["pause", "_cancel"])
async def test_whoever_dies_when_nothing_is_left_the_trials_are_stopped_for_it(
    bench: Workbench, play: Any, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """Their evaluations are cancelled only once it is written down why: none looks as if it had failed by itself."""

    async def greedy(_: Any, ledger: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
        ledger.spending.note(trial["id"], Usage(10, 100, 0))
        await asyncio.Event().wait()
        raise AssertionError("nobody stopped it")

    async def dies(*_: Any) -> None:
        raise RuntimeError("killed")

    play(greedy)
    row = await started(bench, max_trials=5, parallelism=2, limits={"tokens": 150})
    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
        patched.setattr(UnderWay, dies_at, dies)
        await search_of(bench, await claimed(bench, row)).run()
    halted = await trials(bench, row)
    wanted = Trial.STATUS_FAILED if dies_at == "_cancel" else Trial.STATUS_RUNNING
    assert {each.status for each in halted} == {wanted}
    await search_of(bench, await claimed(bench, row)).run()
    done = await trials(bench, row)
    assert {(t.status, t.error_class) for t in done} == {(Trial.STATUS_FAILED, execution_pb2.ERROR_CLASS_BUDGET)}
    assert (await now(bench, row)).status == Run.STATUS_FAILED and len(done) == len(halted) == 2


async def test_time_is_a_limit_too(bench: Workbench, play: Any) -> None:
    """Whatever hangs: the run ends, and with nothing complete it has failed, and says why."""

    async def hanging(*_: Any) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("nobody stopped it")

    run, _ = await ended(bench, hanging, play, limits={"seconds": 1}, parallelism=2)
    assert run.status == Run.STATUS_FAILED and "limit of seconds" in run.error
    assert run.end_reason == Run.END_REASON_UNSPECIFIED


async def test_what_was_used_before_a_takeover_counts(bench: Workbench, play: Any) -> None:
    """The next worker reads it from the rows."""
    play(tenfold)
    row = await claimed(bench, await started(bench, max_trials=50, limits={"metric_calls": 40}))
    first = search_of(bench, row)
    await first.ledger.start()
    await first._fill(await first._space())
    await first.under_way.some_finish()
    await leases_of(bench).release(row)
    await search_of(bench, await claimed(bench, row)).run()
    run = await now(bench, row)
    assert run.completed_trials == 4 and run.end_reason == Run.END_REASON_METRIC_CALLS
