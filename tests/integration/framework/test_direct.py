"""Statements past psycopg's cursors: what goes in and comes out, what is prepared, and what is left when one fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from framework.identifiers import new_id
from framework.storage import direct, pipelines, prepared
from framework.testing.waiting import until

Connection = pipelines.Connection
_TENANT = b"SELECT set_config('app.organization_id', $1, true)"
_NAMED = "SELECT current_setting('app.organization_id', true) AS tenant, %(n)s::bigint AS n"
VALUES: list[tuple[str, Any]] = [
    ("text", "Å '\"\\ %s $1"),
    ("bigint", -(2**62)),
    ("double precision", 0.1),
    ("numeric", Decimal("1.50")),
    ("boolean", True),
    ("boolean", False),
    ("uuid", UUID(int=7)),
    ("jsonb", Jsonb({"a": [1, None, "é"], "b": {"c": 2**70, "d": 1.5}})),
    ("timestamptz", datetime(2026, 11, 30, 12, 0, 0, 1, tzinfo=UTC)),
    ("text[]", ["a,b", 'c"d', "e\\f", "", "null", None, "{}"]),
    ("uuid[]", [UUID(int=7), UUID(int=8)]),
    ("bigint[]", [1, None, -2]),
    ("text[]", []),
    ("bytea", b"\x00\xff\\"),
    ("date", date(2026, 12, 1)),
    ("interval", timedelta(days=-3, hours=5, microseconds=7)),
    ("text", None),
]


async def connect(url: str) -> Connection:
    return await psycopg.AsyncConnection.connect(url, row_factory=dict_row, autocommit=True)


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    async with await connect(postgres_url) as made:
        yield made


@pytest.mark.parametrize(("kind", "value"), VALUES)
async def test_what_goes_in_is_what_psycopg_would_send(connection: Connection, kind: str, value: Any) -> None:
    """As the database compares them, the first time and prepared."""
    for _ in range(2):
        sql = f"SELECT (%(a)s::{kind})::text AS said"
        theirs = await (await connection.execute(sql, {"a": value})).fetchall()
        assert await direct.run(connection, sql, {"a": value}) == theirs


async def test_what_comes_out_is_what_psycopg_would_read(connection: Connection) -> None:
    """Of every kind; times with and without fractions of a second, wherever the session is."""
    sql = """SELECT 3::bigint AS n, 'a%%' AS t, NULL::bigint AS none, %(at)s::timestamptz AS at,
             '{"a": [1, 2.5, null]}'::jsonb AS j, 1.5::float8 AS f, 1.50::numeric AS d, true AS b,
             ARRAY['a', NULL] AS l,
             '00000000-0000-0000-0000-000000000007'::uuid AS u, '\\x00ff'::bytea AS raw, date '2026-12-01' AS day,
             '2026-07-01 12:00:00.5+02'::timestamptz AS summer FROM generate_series(1, 2)"""
    for zone in ("UTC", "Asia/Kolkata"):
        await connection.execute(f"SET TIME ZONE '{zone}'")
        given = {"at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}
        assert await direct.run(connection, sql, given) == await (await connection.execute(sql, given)).fetchall()
    assert await direct.run(connection, "SELECT 1::bigint AS n WHERE false", {}) == []


async def test_what_it_cannot_write_is_named(connection: Connection) -> None:
    """Nothing is sent of it, and the connection is of use after it."""
    with pytest.raises(TypeError, match="complex"):
        await direct.run(connection, "SELECT %(a)s::text AS a", {"a": 1j})
    assert await direct.run(connection, "SELECT 1::bigint AS a", {}) == [{"a": 1}]


async def test_what_is_set_before_it_holds_for_it_alone(connection: Connection) -> None:
    tenant = str(new_id())
    for n in range(3):
        assert await direct.run(connection, _NAMED, {"n": n}, (_TENANT, [tenant.encode()])) == [
            {"tenant": tenant, "n": n}
        ]
        assert (await direct.run(connection, _NAMED, {"n": n}))[0]["tenant"] in ("", None)


async def test_one_that_fails_writes_nothing_and_the_next_works(connection: Connection) -> None:
    """Whether it is wrong at once, or with some values only; the first time, and prepared."""
    await connection.execute("CREATE TEMPORARY TABLE kept (number bigint CHECK (number > 0))")
    insert = "INSERT INTO kept VALUES (%(n)s) RETURNING number"
    for n in (0, 1, 0, 2):
        if n:
            assert await direct.run(connection, insert, {"n": n}) == [{"number": n}]
            continue
        with pytest.raises(psycopg.errors.CheckViolation) as failed:
            await direct.run(connection, insert, {"n": n})
        assert failed.value.diag.constraint_name == "kept_number_check"
        with pytest.raises(psycopg.errors.UndefinedTable):
            await direct.run(connection, "SELECT * FROM nowhere", {})
    assert await direct.run(connection, "SELECT sum(number)::bigint AS n FROM kept", {}) == [{"n": 3}]


async def test_what_psycopg_has_forgotten_is_prepared_again(connection: Connection) -> None:
    """It has a connection forget every prepared statement with a rollback."""
    assert await direct.run(connection, _NAMED, {"n": 1}) == await direct.run(connection, _NAMED, {"n": 1})
    await connection.execute("DEALLOCATE ALL")
    assert [row["n"] for row in await direct.run(connection, _NAMED, {"n": 2})] == [2]


async def test_a_connection_has_so_many_statements_prepared(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was used longest ago goes for another, whatever psycopg has had forgotten in between."""
    monkeypatch.setattr(prepared, "MOST", 3)
    for n in (0, 1, 2, 0, 3, 4, 0, 4, 0):
        assert await direct.run(connection, f"SELECT {n}::bigint AS n", {}) == [{"n": n}]
    assert await _prepared(connection) == ["SELECT 0::bigint AS n", "SELECT 3::bigint AS n", "SELECT 4::bigint AS n"]
    await connection.execute("DEALLOCATE ALL")
    for n in (5, 6, 0, 4):
        assert await direct.run(connection, f"SELECT {n}::bigint AS n", {}) == [{"n": n}]
    assert len(await _prepared(connection)) == 3


async def test_one_that_fails_each_time_is_prepared_once(connection: Connection) -> None:
    """Its name would be lost otherwise, and with each failure another statement be left on the connection."""
    for _ in range(3):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await direct.run(connection, "SELECT 1 / %(n)s::bigint AS n", {"n": 0})
    assert await _prepared(connection) == ["SELECT 1 / $1::bigint AS n"]


async def _prepared(connection: Connection) -> list[str]:
    told = "SELECT statement FROM pg_prepared_statements WHERE name LIKE 'direct%' ORDER BY statement"
    return [row["statement"] for row in await (await connection.execute(told)).fetchall()]


async def test_whoever_leaves_in_its_middle_stops_it(connection: Connection, postgres_url: str) -> None:
    """What it wrote is undone; the connection is of use, or closed for its pool to replace."""
    await connection.execute("CREATE TABLE IF NOT EXISTS left_in_the_middle (number bigint)")
    await connection.execute("TRUNCATE left_in_the_middle")
    slow = """WITH written AS (INSERT INTO left_in_the_middle VALUES (1) RETURNING number)
              SELECT pg_sleep(600)::text AS slept FROM written"""
    asking = asyncio.create_task(direct.run(connection, slow, {}))
    async with await connect(postgres_url) as other:

        async def sleeps() -> bool:
            found = await other.execute(
                "SELECT FROM pg_stat_activity WHERE query LIKE %s AND wait_event = 'PgSleep'", ["WITH written%"]
            )
            return bool(found.rowcount)

        await until(sleeps)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert connection.closed or await direct.run(connection, "SELECT 1::bigint AS a", {}) == [{"a": 1}]
        left = await other.execute("SELECT FROM left_in_the_middle")
        assert left.rowcount == 0


async def test_a_connection_that_is_ended_in_its_middle_is_an_error(connection: Connection, postgres_url: str) -> None:
    asking = asyncio.create_task(direct.run(connection, "SELECT pg_sleep(601)::text AS slept", {}))
    async with await connect(postgres_url) as other:

        async def ended() -> bool:
            ends = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s AND wait_event = 'PgSleep'"
            )
            found = await other.execute(ends, ["SELECT pg_sleep(601)%"])
            return bool(found.rowcount)

        await until(ended)
        with pytest.raises(psycopg.OperationalError):
            await asking
    assert connection.closed


async def test_a_table_that_grows_is_read_as_it_is_now(connection: Connection, postgres_url: str) -> None:
    """As by a migration beside a process that goes on: a statement that is prepared has the columns of before."""
    await connection.execute("CREATE TEMPORARY TABLE growing AS SELECT 1::bigint AS a")
    for n, column in enumerate(("b", "c"), start=1):
        assert len(*await direct.run(connection, "SELECT * FROM growing")) == n
        await connection.execute(f"ALTER TABLE growing ADD COLUMN {column} bigint")
        assert len(*await direct.run(connection, "SELECT * FROM growing")) == n + 1
