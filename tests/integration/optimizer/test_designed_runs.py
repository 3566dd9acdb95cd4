"""Runs by every strategy on a real database: what is tried, however trials overlap; the evaluations are played."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from google.protobuf.json_format import MessageToDict

from domain.space import BooleanVariable, Constraint, FloatVariable, IntegerVariable, Space
from framework.testing.workbench import Workbench
from services.optimizer import under_way
from services.optimizer.outcomes import Outcome
from services.optimizer.search import Search
from tests.integration.optimizer.books import claimed, leases_of, parts_of, started

Run = run_pb.OptimizationRun
LINE = Space((FloatVariable("x", 0, 1),))
FLAGS = Space(tuple(BooleanVariable(f"b{index}") for index in range(4)))
EMPTY = Space((IntegerVariable("a", 0, 5), IntegerVariable("b", 0, 5)), (Constraint("apart", "a > b + 10.0"),))
Searched = Callable[..., Any]


@pytest.fixture
def searched(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Searched:
    """Searches a space to the end of a run, and returns the run and its configurations by number."""

    async def evaluate(_: Any, __: Any, ___: Any, trial: dict[str, Any]) -> Outcome:
        # Later trials of a batch end first.
        await asyncio.sleep(0.001 * (-trial["number"] % 4))
        return Outcome({"exact_match": sum(map(float, trial["configuration"].values())) / 10})

    async def run(space: Space, **fields: Any) -> tuple[Any, list[dict[str, Any]]]:
        async def known(_: Search) -> Space:
            return space

        monkeypatch.setattr(Search, "_space", known)
        monkeypatch.setattr(under_way, "evaluate", evaluate)
        row = await claimed(bench, await started(bench, **fields))
        await Search(parts_of(bench), bench.engine.application, leases_of(bench), row).run()
        ended = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
        request = ListTrialsRequest(optimization_run_id=str(row["id"]), order_by="number", page_size=100)
        trials = (await bench.do("ListTrials", request)).trials
        return ended, [MessageToDict(trial.configuration) for trial in trials]

    return run


@pytest.mark.parametrize("strategy", ["STRATEGY_SOBOL", "STRATEGY_LATIN_HYPERCUBE"])
async def test_a_design_is_the_same_however_its_trials_overlap(searched: Searched, strategy: str) -> None:
    """One at a time, four at a time as places become free, or in batches: it is known from seed and number."""
    wanted = {"strategy": strategy, "max_trials": 8, "seed": 3}
    _, alone = await searched(LINE, **wanted)
    _, free = await searched(LINE, **wanted, parallelism=4)
    _, batches = await searched(LINE, **wanted, parallelism=3, schedule=Run.SCHEDULE_SYNCHRONOUS)
    assert alone == free == batches
    assert sorted(int(each["x"] * 8) for each in alone) == list(range(8))


@pytest.mark.parametrize("schedule", [Run.SCHEDULE_ASYNCHRONOUS, Run.SCHEDULE_SYNCHRONOUS])
async def test_trials_side_by_side_exhaust_a_small_space_before_they_repeat(searched: Searched, schedule: Any) -> None:
    """16 configurations, 20 trials, 4 at a time: all are tried, and then the run still comes to its end."""
    run, tried = await searched(FLAGS, strategy="STRATEGY_BAYESIAN", max_trials=20, parallelism=4, schedule=schedule)
    assert (run.status, run.completed_trials) == (Run.STATUS_COMPLETED, 20)
    assert len({tuple(each.values()) for each in tried[:16]}) == 16


async def test_a_space_that_nothing_satisfies_ends_the_run_with_the_reason(searched: Searched) -> None:
    """It says which constraint stands in the way; no trial was made up."""
    run, tried = await searched(EMPTY)
    assert run.status == Run.STATUS_FAILED and "break" in run.error and "apart" in run.error
    assert tried == []
