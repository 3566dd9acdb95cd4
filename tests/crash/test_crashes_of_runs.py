"""Crash injection (`make test-full`): processes die at every failpoint on a run's way, among runs of every strategy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.ways import RUNS
from tests.models import ModelServer
from tests.processes import Processes
from tests.runs import PROCESSES, SETTINGS, Work
from tests.whole import whole


@pytest.fixture
async def work(postgres_url: str, valkey_url: str, tmp_path: Path, models: ModelServer) -> AsyncIterator[Work]:
    """Every service and both workers, with a program, a space and datasets."""
    processes = Processes(PROCESSES, postgres_url, tmp_path, redis_url=valkey_url, **SETTINGS)
    processes.prepare()
    async with processes.running():
        made = Work(processes, models)
        await made.prepare()
        yield made
        if "program-worker" not in processes._running:
            await processes.start("program-worker")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", RUNS)
async def test_a_kill_at_any_failpoint_loses_nothing_and_pays_nothing_twice(work: Work, victim: str) -> None:
    """Whoever dies wherever: each run ends whole, and suggestions are replayed from what informed them."""
    async with work.going():
        for failpoint in RUNS[victim]:
            await work.processes.restart(victim, failpoint=failpoint)
            await work.killed(victim, failpoint)
        await work.processes.start(victim)
    await work.ended()
    await whole(work)
