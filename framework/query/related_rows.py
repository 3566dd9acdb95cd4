"""The words that declare what single related rows say, as computed fields: whether there are any, the first, a list.

A path names a relationship, or several joined by dots; only rows that the reader may Get count. `where` is a filter in
our own language, read when the service starts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from framework.errors import InvalidFields
from framework.query.columns import Columns
from framework.query.filter import filter_clause
from framework.query.formulas import Formula
from framework.query.order import order_from
from framework.query.sketch import Sketch
from framework.query.sources import Source, number, source_of
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field

EMPTY: ColumnElement[Any] = literal_column("'[]'::jsonb")
_LISTED = frozenset({Kind.TEXT, Kind.ENUM, Kind.UUID, Kind.BOOLEAN, Kind.INTEGER, Kind.BIGINT, Kind.DOUBLE})


@dataclass(frozen=True)
class Related(Formula):
    """What the rows at the end of a path come to, in one correlated subquery."""

    path: str
    field: str = ""
    where: str = ""

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._told})"

    @property
    def _told(self) -> str:
        of = f"{self.path}.{self.field}" if self.field else self.path
        return f"{of} where {self.where}" if self.where else of

    def rows(self, columns: Columns) -> tuple[Columns, Select[Any]]:
        """Returns what the rows can be named by, and a statement without columns that finds them."""
        tables: list[FromClause] = []
        clauses: list[ColumnElement[bool]] = []
        here = columns
        for name in self.path.split("."):
            found = here.related(name)
            assert found is not None, "verified at start"
            here = found.columns
            tables.append(here.table)
            clauses.append(found.joined)
        clauses.append(filter_clause(self.where, here))
        return here, select().select_from(*tables).where(and_(*clauses)).correlate(columns.table)

    def faults(self, field: Field, spec: ResourceSpec) -> Iterator[str]:
        """Yields what the path, the field, the condition or the type has wrong."""
        here: Columns = Sketch(spec)
        for name in self.path.split("."):
            found = here.related(name)
            if found is None:
                yield f"{name} in {self.path} is no relationship"
                return
            here = found.columns
        if self.field and self.source(here) is None:
            yield f"{self.field} is no field of {self.path} that can be measured"
            return
        try:
            filter_clause(self.where, here)
        except InvalidFields as refused:
            yield f"where: {refused.message}"
        yield from self.misfits(field, here)

    def source(self, there: Columns) -> Source | None:
        """Returns what is read of each row: a field, or a scalar in its JSON; numbers where no type is declared."""
        found = source_of(self.field.split("."), there)
        return found and number(found)

    def read(self, there: Columns) -> Source:
        """Returns the same, known to be there."""
        found = self.source(there)
        assert found is not None, "verified at start"
        return found

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields why the field cannot hold what the rows come to."""
        raise NotImplementedError


@dataclass(frozen=True)
class exists(Related):  # noqa: N801 - reads as a word of the declaration
    """Whether there is any related row."""

    def __init__(self, path: str, where: str = "") -> None:
        super().__init__(path, "", where)

    @property
    def always(self) -> bool:
        """It does or does not."""
        return True

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns EXISTS."""
        return self.rows(columns)[1].add_columns(literal_column("1")).exists()

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields a field that is no boolean."""
        yield from mistyped(field, Kind.BOOLEAN)


@dataclass(frozen=True)
class first(Related):  # noqa: N801 - reads as a word of the declaration
    """A field of the first related row in an order: absent where there is none."""

    order_by: str = ""
    default: Any = None

    @property
    def always(self) -> bool:
        """Whether it has a default."""
        return self.default is not None

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns a scalar subquery of one row."""
        there, rows = self.rows(columns)
        ordered = rows.order_by(*order_from(self.order_by, there).terms(there)).limit(1)
        found = ordered.add_columns(self.read(there).value).scalar_subquery()
        return found if self.default is None else func.coalesce(found, literal(self.default, found.type))

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields an order that is none, and a field of another type."""
        yield from _misordered(self.order_by, there)
        yield from mistyped(field, self.read(there).field.kind)
        if not field.nullable and self.default is None:
            yield "the first of no rows is absent: declare the field optional, or give a default"


@dataclass(frozen=True)
class list_of(Related):  # noqa: N801 - reads as a word of the declaration
    """A field of the first related rows in an order that have one: an empty list of none."""

    order_by: str = ""
    most: int = 100

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns a JSON array, in order."""
        there, rows = self.rows(columns)
        terms = order_from(self.order_by, there).terms(there)
        value, at = self.read(there).value, func.row_number().over(order_by=terms)
        listed = rows.where(value.is_not(None)).add_columns(value.label("value"), at.label("at"))
        found = listed.order_by(*terms).limit(self.most).subquery()
        made = func.jsonb_agg(aggregate_order_by(found.c.value, found.c.at), type_=JSONB())
        return select(func.coalesce(made, EMPTY, type_=JSONB())).scalar_subquery()

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields an order that is none, and a field that does not hold such lists."""
        yield from _misordered(self.order_by, there)
        kind = self.read(there).field.kind
        if kind not in _LISTED or not field.descriptor.is_repeated or field.descriptor.message_type is not None:
            yield f"cannot hold a list of values of type {kind.value}"


def mistyped(field: Field, kind: Kind) -> Iterator[str]:
    """Yields that a formula gives another type than its field holds."""
    if field.kind is not kind:
        yield f"is of type {field.kind.value}, its formula of type {kind.value}"


def _misordered(text: str, there: Columns) -> Iterator[str]:
    try:
        order_from(text, there)
    except InvalidFields as refused:
        yield refused.message
