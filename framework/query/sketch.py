"""Columns of no statement: for formulas to be tried on when a service starts."""

from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, column, table, true

from framework.query.columns import Columns, Related
from framework.resource.spec import ResourceSpec


class Sketch(Columns):
    """Everything that may be named of a resource, with columns of no type."""

    def __init__(self, spec: ResourceSpec) -> None:
        drawn: FromClause = table(spec.collection, *(Column(name) for name in spec.fields))
        super().__init__({**spec.fields, **spec.computed}, drawn)
        self.spec = spec

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Returns a column of that name."""
        return column(name)

    def related(self, name: str) -> Related | None:
        """Returns a sketch of the related resource."""
        found = self.spec.relationships.get(name)
        return Related(Sketch(found.target), true(), found.many) if found else None
