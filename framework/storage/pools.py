"""Pools of connections to PostgreSQL, each checked before it is lent, which asks nobody."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from framework.storage.pipelines import Connection

Pool = AsyncConnectionPool[Connection]


def pool(url: str, role: str, password: str, schema: str, size: int) -> Pool:
    """Returns a pool, not open yet, of connections as a role that finds its tables in a schema."""
    conninfo = make_conninfo(
        url, user=role, password=password, options=f"-c search_path={schema}", application_name=role
    )
    kwargs = {"row_factory": dict_row, "prepare_threshold": 2, "autocommit": True}
    return AsyncConnectionPool(
        conninfo, min_size=1, max_size=size, open=False, kwargs=kwargs, connection_class=Connection, check=_check_there
    )


@asynccontextmanager
async def lent(pool: Pool, seconds: float | None = None) -> AsyncIterator[Connection]:
    """Lends a connection to what ends its transactions by itself: the pool's own way sees to a commit once more.

    One that is left in the middle of a transaction is rolled back by the pool.
    """
    connection = await pool.getconn(seconds)
    try:
        yield connection
    finally:
        await pool.putconn(connection)


async def _check_there(connection: Connection) -> None:
    """Raises for an idle connection that the server has said something on: its end, as at a restart. Asks nobody."""
    looked = select.poll()
    looked.register(connection.fileno(), select.POLLIN)
    if looked.poll(0):
        await connection.close()  # or the pool would keep it
        raise psycopg.OperationalError("the server ended this connection")
