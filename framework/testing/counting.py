"""Which statements a block sends to a service's database, so that a test can hold how many there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg

from framework.storage import Database, direct

# What every transaction begins with is no query of its own.
_SETTING = "set_config('app.organization_id'"


class Queries(list[str]):
    """The statements, in order, as they were sent: parameters have their places only."""

    def on(self, table: str) -> list[str]:
        """Returns the statements that name a table."""
        return [sql for sql in self if table in sql]


@contextmanager
def counted(database: Database) -> Iterator[Queries]:
    """Collects what a service's roles send for the length of a block, from this process and whichever task."""
    queries, roles = Queries(), {database.service, f"{database.service}_system"}

    def noted(name: str) -> Any:
        original = getattr(psycopg.AsyncCursor, name)

        async def execute(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
            sql = query if isinstance(query, str) else str(query)
            if cursor.connection.info.user in roles and _SETTING not in sql:
                queries.append(sql)
            return await original(cursor, query, *arguments, **options)

        return patch.object(psycopg.AsyncCursor, name, execute)

    async def run(connection: Any, sql: str, *arguments: Any) -> Any:
        if connection.info.user in roles:
            queries.append(sql)
        return await past_cursors(connection, sql, *arguments)

    past_cursors = direct.run
    with noted("execute"), noted("executemany"), patch.object(direct, "run", run):
        yield queries
