"""One statement, a transaction by itself, sent and answered past psycopg's cursors, through the libpq that it wraps.

A cursor looks at every parameter anew, for whatever it may be. Here a statement's text is read once, and prepared once
on each connection; a parameter has the type that the database gives its place. Rows are read as psycopg reads them.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.json import Jsonb
from psycopg.waiting import Ready, Wait

from framework.storage.pipelines import Connection
from framework.storage.prepared import Prepared, new_name, prepared_on

Row = dict[str, Any]
Statement = tuple[bytes, Sequence[bytes | None]]
"""Its text, with numbers for its parameters, and those as they are written."""
_NAMED = re.compile(r"%\((\w+)\)s")


async def run(
    connection: Connection, sql: str, params: Mapping[str, Any] | None = None, *before: Statement
) -> list[Row]:
    """Runs a statement with %(name)s parameters behind what is set `before` it, and returns its rows.

    Statements of a pipeline between two syncs are one transaction: neither BEGIN nor COMMIT travels.
    """
    text, names = (sql.encode(), ()) if params is None else _numbered(sql)
    values = [_written(params[name]) for name in names] if params else []
    statements = [*before, (text, values)]
    try:
        return await _run(connection, statements)
    except psycopg.errors.InvalidSqlStatementName:  # with a rollback psycopg has everything forgotten
        prepared_on(connection).clear()
    except psycopg.errors.FeatureNotSupported:  # a migration has given its table other columns than it was prepared for
        prepared_on(connection).forget(text)
    return await _run(connection, statements)


async def _run(connection: Connection, statements: Sequence[Statement]) -> list[Row]:
    pgconn, prepared = connection.pgconn, prepared_on(connection)
    pgconn.enter_pipeline_mode()
    try:
        names = [name for statement in statements for name in _sent(pgconn, prepared, *statement)]
        pgconn.pipeline_sync()
        answers = await connection.wait(_answers(pgconn))
    finally:
        _leave(pgconn)
    for name, answer in zip(names, answers, strict=False):
        if answer.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(answer)
        if name is not None:
            prepared.keep(*name)
    return _rows(connection, answers[-1])


def _sent(
    pgconn: PGconn, prepared: Prepared, text: bytes, values: Sequence[bytes | None]
) -> Iterator[tuple[bytes, bytes] | None]:
    """Sends a statement; yields for each answer to come the text and the name of what it prepares, if anything."""
    name = prepared.name(text)
    if name is None:
        if (surplus := prepared.surplus()) is not None:
            pgconn.send_query_params(b"DEALLOCATE " + surplus, None)
            yield None
        name = new_name()
        pgconn.send_prepare(name, text)
        yield text, name
    pgconn.send_query_prepared(name, values)
    yield None


@lru_cache(maxsize=4096)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Returns a statement with numbers for the names of its parameters, and the names in their order."""
    names = tuple(dict.fromkeys(_NAMED.findall(sql)))
    numbers = {name: number for number, name in enumerate(names, 1)}
    return _NAMED.sub(lambda found: f"${numbers[found[1]]}", sql).replace("%%", "%").encode(), names


def _answers(pgconn: PGconn) -> Generator[Wait, Ready | int, list[PGresult]]:
    """Sends what waits, and returns the answers to it; yields what it waits for, as `Connection.wait` has it."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    answers: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            yield Wait.R
            pgconn.consume_input()
        answer = pgconn.get_result()
        if answer is not None and answer.status == ExecStatus.PIPELINE_SYNC:
            return answers
        if answer is not None:
            answers.append(answer)
        elif pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError("the connection was lost in the middle of a statement")


def _leave(pgconn: PGconn) -> None:
    """Leaves the pipeline; a connection in whose middle somebody left is of no use to others."""
    try:
        pgconn.exit_pipeline_mode()
    except psycopg.OperationalError:
        pgconn.finish()


def _rows(connection: Connection, answer: PGresult) -> list[Row]:
    names = [(answer.fname(i) or b"").decode() for i in range(answer.nfields)]
    reading = Transformer(connection)
    reading.set_pgresult(answer)
    return reading.load_rows(0, answer.ntuples, lambda values: dict(zip(names, values, strict=True)))


def _written(value: Any) -> bytes | None:
    if value is None:
        return None
    if type(value) not in _WRITTEN:
        raise TypeError(f"values of {type(value).__name__} are not written past psycopg")
    return _WRITTEN[type(value)](value)


def _list(values: Sequence[Any]) -> bytes:
    """Returns an array of one dimension."""
    return b"{" + b",".join(b"NULL" if value is None else _quoted(_written(value)) for value in values) + b"}"


def _quoted(text: bytes | None) -> bytes:
    assert text is not None, "None is NULL"
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _json(value: Jsonb) -> bytes:
    try:
        return orjson.dumps(value.obj)
    except TypeError:  # integers and keys that only Python's own takes
        return json.dumps(value.obj).encode()


_WRITTEN: Mapping[type, Callable[[Any], bytes]] = {
    str: str.encode,
    int: lambda value: b"%d" % value,
    float: lambda value: repr(value).encode(),
    Decimal: lambda value: str(value).encode(),
    bool: lambda value: b"t" if value else b"f",
    UUID: lambda value: str(value).encode(),
    Jsonb: _json,
    datetime: lambda value: value.isoformat().encode(),
    date: lambda value: value.isoformat().encode(),
    timedelta: lambda value: b"%d days %d.%06d seconds" % (value.days, value.seconds, value.microseconds),
    bytes: lambda value: b"\\x" + value.hex().encode(),
    list: _list,
    tuple: _list,
}
