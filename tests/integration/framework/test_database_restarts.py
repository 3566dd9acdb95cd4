"""A database that was away: no call meets a connection from before."""

import asyncio
from pathlib import Path
from uuid import uuid4

import psycopg

from framework.testing.workbench import Workbench, workbench
from services.variables.registry import registry

MIGRATIONS = Path("services/variables/migrations")
END_ALL = """SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE usename LIKE 'variables%%' AND datname = %s"""
LEFT = "SELECT FROM pg_stat_activity WHERE pid = ANY(%s)"


async def test_no_call_meets_a_connection_from_before(postgres_url: str) -> None:
    """The server ended every connection, as at a restart: the very next calls are made over new ones."""
    async with workbench(registry(), postgres_url, MIGRATIONS) as bench:
        await asyncio.gather(*(_asked(bench) for _ in range(4)))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            ended = [pid for pid, _ in connection.execute(END_ALL, (connection.info.dbname,))]
            # Whoever is gone from there has told the other side before.
            while connection.execute(LEFT, (ended,)).rowcount:  # noqa: ASYNC110 - the server ends them in its own time
                await asyncio.sleep(0.02)
        await asyncio.gather(*(_asked(bench) for _ in range(4)))
        await bench.database.ping()


async def _asked(bench: Workbench) -> None:
    async with bench.database.tenant(uuid4()) as tx:
        await tx.fetch("SELECT pg_sleep(0.1)")
