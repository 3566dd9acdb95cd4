"""Parameters of statements that SQLAlchemy makes say of what type they are: nothing else tells the database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import case, func, literal, select, true

from framework.storage import direct, pipelines
from framework.storage.tables import compiled

AT = datetime(2026, 12, 1, tzinfo=UTC)
VALUES: list[tuple[str, Any]] = [
    ("integer", 3),
    ("bigint", 2**40),
    ("double precision", 2.5),
    ("boolean", True),
    ("numeric", Decimal("1.50")),
    ("interval", timedelta(days=2, seconds=5)),
    ("character varying", "x"),
    ("uuid", UUID(int=7)),
    ("timestamp with time zone", AT),
]


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[pipelines.Connection]:
    async with await psycopg.AsyncConnection.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        yield made


@pytest.mark.parametrize(("kind", "value"), VALUES)
async def test_a_literal_is_of_its_type_wherever_it_stands(
    connection: pipelines.Connection, kind: str, value: Any
) -> None:
    """In a place that says nothing of it a value without one would be a text."""
    chosen = case((true(), literal(value)), else_=literal(value))
    sql, params = compiled(select(chosen.label("value"), func.pg_typeof(chosen).label("kind")))
    typed = sql.replace("pg_typeof(", "(SELECT pg_typeof(").replace(") AS kind", ")::text) AS kind")
    assert await direct.run(connection, typed, params) == [{"value": value, "kind": kind}]


async def test_what_is_reckoned_with_them_is_reckoned(connection: pipelines.Connection) -> None:
    sign = case({"up": 1.0, "down": -1.0}, value=literal("down"))
    earlier = literal(AT) - literal(timedelta(days=1))
    sql, params = compiled(select((literal(2.0) * sign).label("gain"), (earlier < literal(AT)).label("earlier")))
    assert await direct.run(connection, sql, params) == [{"gain": -2.0, "earlier": True}]
