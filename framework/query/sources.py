"""What can be measured and grouped by: fields, scalars inside JSON, and the fields of the one row that is related."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Double, Numeric, Text, select
from sqlalchemy.dialects.postgresql import JSONB

from framework.query.columns import Columns
from framework.query.fragments import Fragment, Once
from framework.query.sorting import DEEPEST, place_of
from framework.resource import Kind
from framework.resource.fields import Field

_KINDS = {Numeric: Kind.DOUBLE, Boolean: Kind.BOOLEAN, Text: Kind.TEXT, JSONB: Kind.JSON}


@dataclass(frozen=True)
class Source:
    """A value of each row: its kind as a field has one, and the expression that holds it."""

    name: str
    field: Field
    value: ColumnElement[Any]
    plain: bool = False
    """Whether it is a column and nothing more."""


def source_of(path: Sequence[str], columns: Columns, depth: int = 0) -> Source | None:
    """Returns what a path leads to, None when that is no single value of a row that may be named."""
    field = columns.fields.get(path[0])
    if field is None:
        return _behind(path, columns, depth)
    if field.comparable and len(path) == 1:
        return Source(field.name, field, columns[field.name], plain=not field.computed)
    place = place_of(path, columns)
    if place is None:
        return None
    kind = next(kind for type_, kind in _KINDS.items() if isinstance(place.value.type, type_))
    name = re.sub(r"\W", "_", "_".join(path))
    return Source(name, replace(field, name=name, kind=kind, nullable=True), _plain(kind, place.value))


def _behind(path: Sequence[str], columns: Columns, depth: int) -> Source | None:
    related = columns.related(path[0]) if depth < DEEPEST and path[1:] else None
    there = source_of(path[1:], related.columns, depth + 1) if related and not related.many else None
    if related is None or there is None:
        return None
    value = select(there.value).where(related.joined).correlate(columns.table).scalar_subquery()
    name = f"{path[0]}_{there.name}"
    return Source(name, replace(there.field, name=name, nullable=True), value)


def number(source: Source) -> Source:
    """Returns data without a declared type as the number that it is, null where it is none."""
    if source.field.kind is not Kind.JSON:
        return source
    return replace(source, field=replace(source.field, kind=Kind.DOUBLE), value=json_number(source.value))


def json_number(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a JSON value as the number that it is, null where it is none."""
    value = Once(value)
    tested = Fragment("CASE WHEN jsonb_typeof(", value, ") = 'number' THEN ", value, "::numeric END")
    return _plain(Kind.DOUBLE, tested)


def _plain(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """JSON's numbers may be longer than a double: they are bounded before they are cast."""
    if kind is not Kind.DOUBLE:
        return value
    value = Once(value)
    inside = ("least(greatest(", value, ", -1e290), 1e290)::double precision")
    return Fragment(
        "CASE WHEN abs(",
        value,
        ") >= 1e-290 THEN ",
        *inside,
        " WHEN ",
        value,
        " IS NOT NULL THEN 0 END",
        type_=Double(),
    )
