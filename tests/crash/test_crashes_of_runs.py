"""Crash injection (`make test-full`): processes die at every failpoint on a run's way, among runs of every strategy."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local import postgres as postgres_server
from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey, valkey
from tests.crash.ways import RUNS
from tests.models import ModelServer
from tests.processes import Processes
from tests.runs import PROCESSES, SETTINGS, Work
from tests.whole import whole

BETWEEN_SECONDS = 6.0


@asynccontextmanager
async def prepared(postgres_url: str, valkey_url: str, folder: Path, models: ModelServer) -> AsyncIterator[Work]:
    """Every service and both workers, with a program, a space and datasets."""
    processes = Processes(PROCESSES, postgres_url, folder, redis_url=valkey_url, **SETTINGS)
    processes.prepare()
    async with processes.running():
        made = Work(processes, models)
        await made.prepare()
        yield made


@pytest.fixture
async def work(postgres_url: str, valkey_url: str, tmp_path: Path, models: ModelServer) -> AsyncIterator[Work]:
    """The same on the session's servers."""
    async with prepared(postgres_url, valkey_url, tmp_path, models) as made:
        yield made


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


@pytest.mark.timeout(1200)
async def test_servers_that_die_lose_nothing_either(tmp_path: Path, models: ModelServer) -> None:
    """PostgreSQL and Valkey are killed in the middle of everything, and PostgreSQL is restarted in order besides."""
    home = tmp_path / "postgres"
    with postgres_server.postgres(home) as database, valkey(tmp_path / "valkey") as broker:
        async with prepared(database.admin_url, broker.url, tmp_path, models) as work:
            async with work.going():
                for server, kill in ((broker, True), (database, True), (broker, True), (database, False)):
                    await asyncio.sleep(BETWEEN_SECONDS)
                    await work.note_finished()
                    await asyncio.to_thread(restart, server, kill=kill)
            await work.ended()
            await whole(work)
    postgres_server.remove(home)


def restart(server: Postgres | Valkey, *, kill: bool) -> None:
    """Ends a server, by SIGKILL or in order, and starts it again where it was."""
    process = server.process
    assert process is not None
    if kill:
        process.kill()
        process.wait()
    else:
        server.stop()
    server.start()
