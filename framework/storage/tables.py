"""Derives the SQLAlchemy table of a resource from its spec; the engine builds its statements on it."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Column, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from framework.resource import ResourceSpec
from framework.resource.types import TYPES
from framework.storage.dialect import DIALECT


@cache
def table_of(spec: ResourceSpec, name: str = "") -> Table:
    """Returns the table: public fields first, then the hidden columns, `lock_version` and the tenant key.

    One of another `name` has the same columns: what a statement has made of the table.
    """
    columns = [Column(f.name, TYPES[f.kind], nullable=f.nullable) for f in spec.fields.values()]
    columns += [Column(name, Text()) for name in spec.storage.hidden]
    columns.append(Column("lock_version", BigInteger(), nullable=False))
    if spec.tenant:
        columns.append(Column("organization_id", UUID(as_uuid=True), nullable=False))
    return Table(name or spec.collection, MetaData(), *columns, info={"spec": spec})


def compiled(statement: Any) -> tuple[str, dict[str, Any]]:
    """Returns a statement as psycopg's SQL and parameters."""
    made = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return str(made), dict(made.params)
