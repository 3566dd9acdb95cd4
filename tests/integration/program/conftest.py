"""The program service in this process, on a database of its own, with a workshop for its workers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from framework.egress.outlet import Outlet
from framework.testing.workbench import Workbench, workbench
from services.program.application import Application
from services.program.bounds import Bounds
from services.program.code import registry as code_registry
from services.program.code.contract import Limits
from services.program.code.pool import Workers
from services.program.describing import Describing
from services.program.lm import patience
from services.program.lm.engine import ModelSettings
from services.program.registry import registry
from services.program.running import Models
from services.program.working import Workshop
from tests.integration.program.making import outside

ROOT = Path(__file__).parents[3]
MIGRATIONS = ROOT / "services" / "program" / "migrations"
PROGRAMS = ROOT / "tests" / "programs"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a model that does not answer asked again after a fiftieth of what is to be waited."""
    monkeypatch.setattr(patience, "sleep", lambda seconds: asyncio.sleep(seconds / 50))


@pytest.fixture(scope="session")
def program_url(postgres_url: str) -> Iterator[str]:
    """A superuser's URL of a database of our own."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE program_tests")
    yield postgres_url.rsplit("/", 1)[0] + "/program_tests"


@pytest.fixture
async def bench(program_url: str) -> AsyncIterator[Workbench]:
    """The engine and a new organization."""
    async with workbench(registry(), program_url, MIGRATIONS) as made:
        await forget_open_work(made)
        yield made


async def forget_open_work(bench: Workbench) -> None:
    """Ends what earlier tests left without a worker: the queue is the whole database's."""
    async with bench.database.system() as tx:
        for table in ("evaluations", "executions"):
            await tx.execute(f"UPDATE {table} SET status = 'WORK_STATUS_CANCELLED' WHERE completed_at IS NULL")


@pytest.fixture
async def workshop(bench: Workbench) -> AsyncIterator[Workshop]:
    """What a worker works with: the embedded model."""
    async with Outlet() as http:
        yield Workshop(bench.engine, Models(ModelSettings(), http).prepare)


@pytest.fixture
async def coded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workshop]:
    """The same, with the programs and metrics of the tests registered, and processes to run them in."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    monkeypatch.setattr(code_registry, "_seen", {})
    workers = Workers(size=4)
    # Small limits: what passes them is to be seen soon.
    usual = Limits(call_ms=60_000, prepare_ms=60_000, cpu_seconds=60, memory_mb=256)
    yield replace(workshop, workers=workers, bounds=Bounds(usual))
    await workers.close()


@pytest.fixture
async def listing(bench: Workbench, coded: Workshop) -> AsyncIterator[Workbench]:
    """The service as its API process runs it: with workers of its own to describe what is registered."""
    describing = Describing(Workers(size=1))
    bench.engine.application = Application(describing, None, *outside())
    yield bench
    bench.engine.application = None
    await describing.close()
