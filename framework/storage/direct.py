"""One statement, a transaction by itself, sent and answered past psycopg's cursors, through the libpq that it wraps.

A cursor looks at every parameter and every column anew, for whatever they may be. Here a statement's text is read once,
and prepared once on each connection; what may go in and come out is what statements of ours have.
"""

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.json import Jsonb
from psycopg.waiting import Ready, Wait

from framework.storage.pipelines import Connection

Row = dict[str, Any]
MOST_PREPARED = 200
"""How many statements are prepared on a connection: those that come later are read by the server each time."""
_NAMED = re.compile(r"%\((\w+)\)s")
_numbers = count()
_prepared: WeakKeyDictionary[Connection, dict[bytes, bytes]] = WeakKeyDictionary()


async def run(connection: Connection, sql: str, params: Mapping[str, Any], *before: Sequence[bytes]) -> list[Row]:
    """Runs a statement with %(name)s parameters behind what is set `before` it, and returns its rows.

    Statements of a pipeline between two syncs are one transaction: neither BEGIN nor COMMIT travels.
    """
    try:
        return await _run(connection, sql, params, before)
    except psycopg.errors.InvalidSqlStatementName:  # with a rollback psycopg has everything forgotten
        _prepared.pop(connection, None)
        return await _run(connection, sql, params, before)


async def _run(
    connection: Connection, sql: str, params: Mapping[str, Any], before: Sequence[Sequence[bytes]]
) -> list[Row]:
    pgconn, (text, names) = connection.pgconn, _numbered(sql)
    values = [_written(params[name]) for name in names]
    pgconn.enter_pipeline_mode()
    try:
        named = [_send(connection, statement, settings) for statement, *settings in before]
        named.append(_send(connection, text, values))
        pgconn.pipeline_sync()
        answers = await connection.wait(_answers(pgconn))
    finally:
        _leave(pgconn)
    for answer in answers:
        if answer.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(answer)
    _prepared.setdefault(connection, {}).update(each for each in named if each)
    return _rows(answers[-1])


def _send(connection: Connection, text: bytes, values: Sequence[bytes | None]) -> tuple[bytes, bytes] | None:
    """Sends a statement; returns it with its name, where it was not prepared before and is if nothing fails."""
    pgconn, known = connection.pgconn, _prepared.get(connection, {})
    if (name := known.get(text)) is not None:
        pgconn.send_query_prepared(name, values)
        return None
    if len(known) >= MOST_PREPARED:
        pgconn.send_query_params(text, values)
        return None
    name = b"direct_%d" % next(_numbers)
    pgconn.send_prepare(name, text)
    pgconn.send_query_prepared(name, values)
    return text, name


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


def _rows(answer: PGresult) -> list[Row]:
    columns = [((answer.fname(i) or b"").decode(), _reader(answer.ftype(i)), i) for i in range(answer.nfields)]
    return [{name: read(answer.get_value(row, i)) for name, read, i in columns} for row in range(answer.ntuples)]


def _reader(number: int) -> Callable[[bytes | None], Any]:
    if number not in _READ:
        raise TypeError(f"values of type {number} are not read past psycopg: have the statement return a text")
    read = _READ[number]
    return lambda value: None if value is None else read(value.decode())


def _written(value: Any) -> bytes | None:
    if value is None:
        return None
    if type(value) not in _WRITTEN:
        raise TypeError(f"values of {type(value).__name__} are not written past psycopg")
    return _WRITTEN[type(value)](value)


def _list(values: Sequence[str]) -> bytes:
    """Returns an array of texts."""
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return ("{" + ",".join(f'"{value}"' for value in quoted) + "}").encode()


def _json(value: Jsonb) -> bytes:
    try:
        return orjson.dumps(value.obj)
    except TypeError:  # integers and keys that only Python's own takes
        return json.dumps(value.obj).encode()


_WRITTEN: Mapping[type, Callable[[Any], bytes]] = {
    str: str.encode,
    int: lambda value: b"%d" % value,
    float: lambda value: repr(value).encode(),
    bool: lambda value: b"t" if value else b"f",
    UUID: lambda value: str(value).encode(),
    Jsonb: _json,
    datetime: lambda value: value.isoformat().encode(),
    list: _list,
}
_READ: Mapping[int, Callable[[str], Any]] = {20: int, 25: str, 1184: datetime.fromisoformat}
"""By the number of a type: bigint, text, timestamptz."""
