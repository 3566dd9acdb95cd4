"""What the migrations made is what the declarations derive: nothing of it may drift apart."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from factories import migrations
from psycopg import sql

from framework.resource import Registry
from framework.storage.ddl import ddl
from framework.storage.migrate import migrate
from framework.testing.workbench import PASSWORD
from services.describe import registries

REGISTRIES = [r for r in registries() if migrations(r.service).is_dir()]
# Each yields (table, fact); the first group must be equal, of the second the migrations may hold more.
_EQUAL = {
    "columns": """SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression,
                         identity_generation FROM information_schema.columns WHERE table_schema = %(s)s""",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = %(s)s",
    "policies": """SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies
                   WHERE schemaname = %(s)s""",
    "grants": """SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
                 WHERE table_schema = %(s)s""",
    "walls": """SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
                WHERE relnamespace = %(s)s::regnamespace AND relkind IN ('r', 'p')""",
}
_CONTAINED = {
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = %(s)s",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
                      WHERE connamespace = %(s)s::regnamespace AND contype <> 'n'""",
    "triggers": """SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t
                   JOIN pg_class c ON c.oid = tgrelid
                   WHERE c.relnamespace = %(s)s::regnamespace AND NOT tgisinternal""",
}


def catalog(url: str, schema: str, queries: dict[str, str]) -> dict[str, set[tuple[Any, ...]]]:
    """Returns the facts of a schema."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        return {name: set(connection.execute(query, {"s": schema})) for name, query in queries.items()}


@pytest.mark.parametrize("registry", REGISTRIES, ids=[r.service for r in REGISTRIES])
def test_the_migrations_make_what_the_declarations_derive(
    registry: Registry, postgres_url: str, tmp_path: Path
) -> None:
    """Tables, columns, indexes, policies and grants; hand-written tables, indexes and triggers come on top."""
    (tmp_path / "0001_derived.sql").write_text(ddl(registry))
    found = {}
    for name, folder in (("derived", tmp_path), ("migrated", migrations(registry.service))):
        database = f"catalog_{name}_{registry.service}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        url = postgres_url.rsplit("/", 1)[0] + f"/{database}"
        migrate(url, registry.service, PASSWORD, folder)
        found[name] = catalog(url, registry.service, _EQUAL | _CONTAINED)
    tables = {row[0] for row in found["derived"]["columns"]}
    for name in _EQUAL:
        assert {row for row in found["migrated"][name] if row[0] in tables} == found["derived"][name], name
    for name in _CONTAINED:
        assert found["derived"][name] <= found["migrated"][name], name
