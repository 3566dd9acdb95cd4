"""Columns of no statement: for formulas to be tried on when a service starts."""

from sqlalchemy import FromClause, column, table, true

from framework.query.columns import Columns, Related
from framework.resource.spec import ResourceSpec
from framework.resource.types import TYPES


class Sketch(Columns):
    """Everything that may be named of a resource, as columns of the right types."""

    def __init__(self, spec: ResourceSpec) -> None:
        fields = {**spec.fields, **spec.computed}
        drawn: FromClause = table(spec.collection, *(column(n, TYPES[f.kind]) for n, f in fields.items()))
        super().__init__(fields, drawn)
        self.spec = spec

    def related(self, name: str) -> Related | None:
        """Returns a sketch of the related resource."""
        found = self.spec.relationships.get(name)
        return Related(Sketch(found.target), true(), found.many) if found else None
