"""psycopg's pipelines as this house drives them; what psycopg offers no public way to is reached here and nowhere else.

A psycopg without one of these names would be slower, or fail the test of this module, never wrong.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from psycopg.generators import send
from psycopg.rows import DictRow

Connection = psycopg.AsyncConnection[DictRow]


@asynccontextmanager
async def pipelined(connection: Connection) -> AsyncIterator[None]:
    """Opens a pipeline whose statements are sent as soon as there are some.

    By itself psycopg waits for each until the connection can be written to, though it nearly always can, and sends a
    second word behind the last. With one that is made otherwise nothing but time is lost.
    """
    async with connection.pipeline() as opened:
        pipeline: Any = opened
        with suppress(AttributeError):
            pipeline._communicate_gen = partial(_sent, pipeline)
            pipeline._exit_gen = pipeline._sync_gen
        yield


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Opens a transaction in a pipeline: it begins with its first statement, and ends with what was left for the end.

    psycopg's own says the same two words, and waits for the first and three times around the last.
    """
    try:
        async with pipelined(connection):
            await connection.wait(connection._exec_command(b"BEGIN"))
            yield
            await connection.wait(connection._exec_command(b"COMMIT"))
    except BaseException:
        with suppress(psycopg.Error):  # whoever is left in the middle of a transaction is undone by the pool
            await connection.rollback()
        raise


@asynccontextmanager
async def held(connection: Connection) -> AsyncIterator[None]:
    """Has the statements of a block leave with whatever is sent after it, or with the pipeline's end."""
    pipeline: Any = connection._pipeline
    usual = getattr(pipeline, "_communicate_gen", None)
    with suppress(AttributeError):
        pipeline._communicate_gen = _nothing
    try:
        yield
    finally:
        with suppress(AttributeError):
            pipeline._communicate_gen = usual


def leave(connection: Connection, statement: bytes, *parameters: str) -> None:
    """Has a statement without an answer travel with what a pipeline sends next; one that failed fails that.

    It takes a fifth of the time of a cursor's: settings of a transaction are sent with everything.
    """
    pipeline: Any = connection._pipeline
    values = [value.encode() for value in parameters]
    pipeline.command_queue.append(partial(connection.pgconn.send_query_params, statement, values))
    pipeline.result_queue.append(None)


async def answered(connection: Connection) -> None:
    """Sends what was held, and returns once all that was sent is answered: what asks for the answers leaves with it."""
    pipeline = connection._pipeline
    if pipeline is not None and pipeline.result_queue:
        pipeline.command_queue.append(pipeline.pgconn.send_flush_request)
        await connection.wait(pipeline._communicate_gen())
        await connection.wait(pipeline._fetch_gen(flush=False))


async def settle(connection: Connection) -> None:
    """Returns when the fate of what was sent is known: in a pipeline that is only after a sync."""
    if connection._pipeline is not None:
        await connection._pipeline.sync()


def _sent(pipeline: Any) -> Iterator[Any]:
    commands = pipeline.command_queue
    while commands:
        commands.popleft()()
    yield from send(pipeline.pgconn)


def _nothing() -> Iterator[None]:
    return iter(())
