"""What may be named of rows: each field with the expression that holds its value, and where relationships lead."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from framework.resource.fields import Field


class Columns:
    """The fields that filters, orders and formulas may name over rows of one table; here each is its own column."""

    def __init__(self, fields: Mapping[str, Field], table: FromClause) -> None:
        self.fields = fields
        self.table = table

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Returns the expression that holds a field's value."""
        return self.table.c[name]

    @property
    def leads(self) -> Collection[str]:
        """The names of the relationships that there are."""
        return ()

    def related(self, name: str) -> "Related | None":
        """Returns where a relationship leads, None where there is none of that name."""
        return None


@dataclass(frozen=True)
class Related:
    """The rows that a relationship leads to, as far as they may be read; `joined` holds of exactly those."""

    columns: Columns
    joined: ColumnElement[bool]
    many: bool
