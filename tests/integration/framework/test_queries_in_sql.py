"""Whatever a user writes as filter or order, the database answers or the user is told: no expression can raise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from framework.errors import InvalidFields
from framework.query import filter_clause, order_from
from framework.resource import spec_of
from framework.storage import table_of
from framework.storage.migrate import migrate
from framework.storage.tables import compiled
from framework.testing.workbench import PASSWORD
from services.auth.resources import User, registry

SPEC = spec_of(User)
TABLE = table_of(SPEC)
words = st.one_of(
    st.sampled_from([*SPEC.fields, "AND", "OR", "(", ")", "=", "!=", "<", "<=", ">", ">=", "etag", "lock_version"]),
    st.sampled_from(['"a"', '"', "true", "null", "1", "-9e999", "nan", "2026-01-01", "0001-01-01T00:00:00+14:00"]),
    st.sampled_from(
        ["9999-12-31T23:59:59.999999-23:59", "admin", "ROLE_ADMIN", str(2**63), '"\\""', "'; --", "%s %(x)s"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
soup = st.lists(words, max_size=8).map(" ".join)
sound = st.lists(
    st.tuples(st.sampled_from([*SPEC.fields]), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), words),
    min_size=1,
    max_size=3,
).map(lambda parts: " AND ".join(" ".join(p) for p in parts))


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    migrate(postgres_url, registry().service, PASSWORD, Path("services/auth/migrations"))
    with psycopg.connect(postgres_url, autocommit=True) as made:
        made.execute("SET search_path TO auth")
        yield made


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(soup, sound), st.one_of(soup, st.sampled_from(["name desc, role", "deactivated", ""])))
def test_any_filter_and_order_is_answered_or_refused(
    connection: psycopg.Connection[Any], text: str, order_by: str
) -> None:
    """Refusals name the field of the request."""
    try:
        clause = filter_clause(text, SPEC, TABLE)
    except InvalidFields as refused:
        assert [v.path for v in refused.violations] == ["filter"]
        return
    try:
        order = order_from(order_by, SPEC)
    except InvalidFields as refused:
        assert [v.path for v in refused.violations] == ["order_by"]
        return
    sql, params = compiled(select(TABLE.c.id).where(clause).order_by(*order.columns(TABLE)))
    connection.execute(sql, params).fetchall()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('name = "b"', 1),
        ('name != "b" AND deactivated = false', 1),
        ("role = admin", 1),
        ("role = ROLE_VIEWER", 2),
        ("deactivated > false", 1),
        ('created_at > "2020-01-01T00:00:00Z"', 3),
        ("created_at < 2020-01-01", 0),
        ("id = 00000000-0000-0000-0000-000000000001", 1),
        ('name = "\\"; DROP TABLE users"', 0),
        ("", 3),
    ],
)
def test_filters_mean_what_they_say(connection: psycopg.Connection[Any], text: str, count: int) -> None:
    """Over three users."""
    sql, params = compiled(select(TABLE.c.id).where(filter_clause(text, SPEC, TABLE)))
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM api_keys; DELETE FROM users")
        connection.execute("INSERT INTO organizations (id) VALUES ('00000000-0000-0000-0000-00000000000a')")
        for number, (name, role, deactivated) in enumerate(
            [("a", "ROLE_ADMIN", False), ("b", "ROLE_VIEWER", False), ("c", "ROLE_VIEWER", True)], 1
        ):
            connection.execute(
                """INSERT INTO users (organization_id, id, email, name, role, deactivated)
                   VALUES ('00000000-0000-0000-0000-00000000000a', %s, %s, %s, %s, %s)""",
                (f"00000000-0000-0000-0000-{number:012}", name, name, role, deactivated),
            )
        assert len(connection.execute(sql, params).fetchall()) == count
