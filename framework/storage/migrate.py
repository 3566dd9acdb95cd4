"""Applies a service's migrations: reviewed SQL files, forward only, one head, under an advisory lock."""

from pathlib import Path

import psycopg
from psycopg import sql

from framework.storage.database import Database

_LOCK = 0x415347


def files(folder: Path) -> list[Path]:
    """Returns the migration files in order; each is named `NNNN_what.sql`."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def migrate(admin_url: str, service: str, password: str, folder: Path) -> list[str]:
    """Makes roles and schema when missing, applies what is new, and returns the names of the files applied."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        _roles(connection, service, password)
        done = _applied(connection, service)
        todo = [f for f in files(folder) if f.name not in done]
        for file in todo:
            _apply(connection, service, file)
        return [f.name for f in todo]


def _roles(connection: psycopg.Connection, service: str, password: str) -> None:
    for role in (f"{service}_owner", service, f"{service}_system"):
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        verb = sql.SQL("ALTER ROLE {} " if known else "CREATE ROLE {} ").format(sql.Identifier(role))
        # The owner never signs in: migrations take its role for a transaction.
        login = (
            sql.SQL("NOLOGIN")
            if role.endswith("_owner")
            else sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(password))
        )
        connection.execute(verb + login)
    owner, schema = sql.Identifier(f"{service}_owner"), sql.Identifier(service)
    connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(schema, owner))
    users = sql.SQL(", ").join([sql.Identifier(service), sql.Identifier(f"{service}_system")])
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, users))
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(owner))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())"
        )
        connection.execute(sql.SQL("GRANT SELECT ON migrations TO {}").format(users))


def _applied(connection: psycopg.Connection, service: str) -> set[str]:
    rows = connection.execute(sql.SQL("SELECT name FROM {}").format(sql.Identifier(service, "migrations")))
    return {str(name) for (name,) in rows}


def _apply(connection: psycopg.Connection, service: str, file: Path) -> None:
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(f"{service}_owner")))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(service)))
        connection.execute(file.read_bytes())
        connection.execute("INSERT INTO migrations (name) VALUES (%s)", (file.name,))


async def check_current(database: Database, folder: Path) -> None:
    """Raises RuntimeError while the schema is behind the code: such a service must not serve."""
    async with database.system() as tx:
        done = {row["name"] for row in await tx.fetch("SELECT name FROM migrations")}
    missing = [f.name for f in files(folder) if f.name not in done]
    if missing:
        raise RuntimeError(f"the schema lacks {', '.join(missing)}; run the migrations")
