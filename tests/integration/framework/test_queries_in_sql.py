"""Whatever a user writes as filter or order, the database answers or the user is told: no expression can raise."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.schema import CreateTable

from framework.errors import InvalidFields
from framework.query import Columns, filter_clause, order_from
from framework.resource import Kind, spec_of
from framework.storage import table_of
from framework.storage.migrate import migrate
from framework.storage.tables import DIALECT, compiled
from framework.testing.specimen import Specimen
from framework.testing.workbench import PASSWORD
from services.auth.registry import registry
from services.auth.resources import User
from tests.tries import tries

SPEC = spec_of(User)
TABLE = table_of(SPEC)
ANY = spec_of(Specimen)
ANY_TABLE = table_of(ANY)
ANY_COLUMNS = Columns(ANY.fields, ANY_TABLE)
operators = ["=", "!=", "<", "<=", ">", ">=", ":"]
inside = ["text", "count", "big", "ratio", "flag", "at", "color", "note", "inner", "inner.big", "0", '"b.c"']
paths = st.one_of(
    st.sampled_from([*ANY.fields]),
    st.builds(
        "{}.{}".format, st.sampled_from(["detail", "details", "free", "anything", "scores"]), st.sampled_from(inside)
    ),
)
words = st.one_of(
    st.sampled_from([*ANY.fields, "AND", "OR", "NOT", "-", "(", ")", "*", *operators, "etag", "lock_version"]),
    st.sampled_from(["now()", "ago(7d)", "ago(36525d)", "from_now(36525d)", "red", "1e308", "1e-308", "9" * 40]),
    st.sampled_from(['"a"', '"', "true", "null", "1", "-9e999", "nan", "2026-01-01", "0001-01-01T00:00:00+14:00"]),
    st.sampled_from(
        ["9999-12-31T23:59:59.999999-23:59", "admin", "ROLE_ADMIN", str(2**63), '"\\""', "'; --", "%s %(x)s"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
soup = st.lists(words, max_size=8).map(" ".join)
sound = st.lists(
    st.tuples(paths, st.sampled_from(operators), words),
    min_size=1,
    max_size=3,
).map(lambda parts: " AND ".join(" ".join(p) for p in parts))
# Whatever JSON columns may come to hold, such as rows of an earlier version of the protos.
SHAPES = [
    *("null", '"x"', "1", "true", "[]", "{}", '[1, "a", null, {"big": "x", "at": 5}]'),
    '{"big": "12x", "at": "0", "flag": "no", "count": 1e400}',
    '{"text": {}, "inner": [], "color": 3, "ratio": "NaN", "b.c": null, "0": [[]]}',
    '{"inner": {"big": "9999999999999999999999"}}',
]


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    migrate(postgres_url, registry().service, PASSWORD, Path("services/auth/migrations"))
    with psycopg.connect(postgres_url, autocommit=True) as made:
        made.execute("SET search_path TO auth")
        made.execute(str(CreateTable(ANY_TABLE).compile(dialect=DIALECT)).replace("CREATE", "CREATE TEMPORARY", 1))
        jsons = [n for n, f in ANY.fields.items() if f.kind is Kind.JSON]
        rest = [c.name for c in ANY_TABLE.columns if not c.nullable]
        values = {
            Kind.UUID: str(UUID(int=1)),
            Kind.TIMESTAMP: "2026-01-01",
            Kind.BOOLEAN: True,
            Kind.TEXT: "",
            Kind.ENUM: "",
        }
        for shape in SHAPES:
            row = {n: values.get(ANY.fields[n].kind, 0) for n in rest if n in ANY.fields}
            row |= {"lock_version": 1, "organization_id": UUID(int=1), **dict.fromkeys(jsons, shape)}
            made.execute(
                f"INSERT INTO specimens ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", [*row.values()]
            )
        yield made


@settings(max_examples=tries(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(soup, sound), st.one_of(soup, st.sampled_from(["name desc, small", "flag", ""])))
def test_any_filter_and_order_is_answered_or_refused(
    connection: psycopg.Connection[Any], text: str, order_by: str
) -> None:
    """Refusals name the field of the request."""
    try:
        clause = filter_clause(text, ANY_COLUMNS)
    except InvalidFields as refused:
        assert [v.path for v in refused.violations] == ["filter"]
        return
    try:
        order = order_from(order_by, ANY_COLUMNS)
    except InvalidFields as refused:
        assert [v.path for v in refused.violations] == ["order_by"]
        return
    sql, params = compiled(select(ANY_TABLE.c.id).where(clause).order_by(*order.terms(ANY_COLUMNS)))
    connection.execute(sql, params).fetchall()
    # Negated, so that what a clause excludes is evaluated too.
    negated = filter_clause(f"NOT ({text})", ANY_COLUMNS) if text.strip() else clause
    connection.execute(*compiled(select(ANY_TABLE.c.id).where(negated))).fetchall()


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
        ('name = "a" OR role = viewer AND deactivated = true', 1),
        ("role = (admin OR viewer) AND NOT deactivated = true", 2),
        ('email:"B"', 1),
        ("created_at > ago(1h) AND created_at <= now()", 3),
    ],
)
def test_filters_mean_what_they_say(connection: psycopg.Connection[Any], text: str, count: int) -> None:
    """Over three users."""
    sql, params = compiled(select(TABLE.c.id).where(filter_clause(text, Columns(SPEC.fields, TABLE))))
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
