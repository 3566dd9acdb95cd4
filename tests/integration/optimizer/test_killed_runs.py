"""Workers and audit die among runs, nothing is lost or paid twice; the kills at every failpoint are in tests/crash."""

import asyncio
from pathlib import Path

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run

from tests.models import ModelServer
from tests.processes import Processes
from tests.runs import PROCESSES, SETTINGS, Work
from tests.whole import whole

ARMED = {
    "optimizer": "turn.committed=3",
    "optimizer-worker": "trial.measured",
    "program-worker": "result.kept=20",
    "audit": "feed.handled=9",
}


@pytest.mark.timeout(600)
async def test_runs_are_whole_whoever_is_killed(
    postgres_url: str, valkey_url: str, tmp_path: Path, models: ModelServer
) -> None:
    """One that learns and is held out, one that races, one that is noisy, and one whose client is sent its trials."""
    processes = Processes(PROCESSES, postgres_url, tmp_path, redis_url=valkey_url, **SETTINGS)
    processes.prepare()
    async with processes.running(ARMED):
        work = Work(processes, models)
        await work.prepare()
        for wanted in (work.wanted(Run.STRATEGY_BAYESIAN, 2), work.raced(), work.noisy()):
            await work.begin(wanted)
        # The last: whoever sends its trials dies of that, and begins no run before it is started again.
        client = asyncio.create_task(work.external(Run.STRATEGY_RANDOM, pushed=True))
        await asyncio.gather(*(_dies(work, victim) for victim in ARMED))
        await client
        await work.ended()
        taken = "SELECT FROM optimizer.run_events WHERE event ->> 'type' = 'TYPE_RUN_TAKEN_OVER'"
        assert await processes.rows(taken)
        await whole(work)


async def _dies(work: Work, victim: str) -> None:
    """Waits for a death and starts the victim again: without it the others might never come to theirs."""
    await work.killed(victim, ARMED[victim])
    await work.processes.start(victim)
