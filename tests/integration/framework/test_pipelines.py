"""Pipelines: what is held leaves with the next statement, a transaction's two ends with its first and its last."""

import psycopg
import pytest
from psycopg.rows import dict_row

from framework.storage import pipelines

Connection = pipelines.Connection


@pytest.fixture
async def connection(postgres_url: str) -> Connection:
    return await psycopg.AsyncConnection.connect(postgres_url, row_factory=dict_row, autocommit=True)


def _waiting(connection: Connection) -> int:
    assert connection._pipeline is not None
    return len(connection._pipeline.command_queue)


async def test_what_is_held_leaves_with_the_next_statement(connection: Connection) -> None:
    """An update of psycopg that names its inside otherwise is noticed here."""
    async with connection, pipelines.pipelined(connection):
        async with pipelines.held(connection):
            await connection.execute("SELECT 1")
            assert _waiting(connection)
        await connection.execute("SELECT 2")
        assert not _waiting(connection)


async def test_what_asks_for_answers_leaves_with_what_is_asked(connection: Connection) -> None:
    """So that the server is woken once, and everything that was sent before is answered, too."""
    async with connection, pipelines.pipelined(connection):
        async with pipelines.held(connection):
            first = await connection.execute("SELECT 1 AS found")
            second = await connection.execute("SELECT 2 AS found")
        await pipelines.answered(connection)
        assert connection._pipeline is not None and not connection._pipeline.result_queue
        assert [await first.fetchall(), await second.fetchall()] == [[{"found": 1}], [{"found": 2}]]


async def test_a_transaction_that_fails_leaves_nothing_and_its_connection_is_of_use(connection: Connection) -> None:
    """Whether the block raises or a statement in it."""
    async with connection:
        await connection.execute("CREATE TEMPORARY TABLE kept (number int CHECK (number > 0))")
        async with pipelines.transaction(connection):
            await connection.execute("INSERT INTO kept VALUES (1)")
        with pytest.raises(ZeroDivisionError):
            async with pipelines.transaction(connection):
                await connection.execute("INSERT INTO kept VALUES (2)")
                raise ZeroDivisionError
        with pytest.raises(psycopg.errors.CheckViolation):
            async with pipelines.transaction(connection):
                await connection.execute("INSERT INTO kept VALUES (3)")
                await connection.execute("INSERT INTO kept VALUES (0)")
        kept = await (await connection.execute("SELECT number FROM kept")).fetchall()
    assert kept == [{"number": 1}]
