"""A database that was away: once it answers again, no call meets a connection from before."""

import asyncio
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from framework.errors import DependencyUnavailable
from framework.testing.workbench import Workbench, workbench
from services.variables.resources import registry

MIGRATIONS = Path("services/variables/migrations")
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'variables%%' AND datname = %s"


async def test_no_call_meets_a_connection_from_before(postgres_url: str) -> None:
    """The process looks whether the database answers, as it does for its health, and makes every connection anew."""
    async with workbench(registry(), postgres_url, MIGRATIONS) as bench:
        await asyncio.gather(*(_asked(bench) for _ in range(4)))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(END_ALL, (connection.info.dbname,))
        with pytest.raises(DependencyUnavailable):
            await bench.database.ping()
        async with asyncio.timeout(30):
            while not await _answers(bench):  # noqa: ASYNC110 - it is the server that does
                await asyncio.sleep(0.05)
        await asyncio.gather(*(_asked(bench) for _ in range(4)))


async def _answers(bench: Workbench) -> bool:
    try:
        await bench.database.ping()
    except DependencyUnavailable:
        return False
    return True


async def _asked(bench: Workbench) -> None:
    async with bench.database.tenant(uuid4()) as tx:
        await tx.fetch("SELECT pg_sleep(0.1)")
