"""What an order may sort by: fields, scalars inside JSON, and the fields of the one row a relationship leads to.

Nothing here can raise in the database, and each place has one value that a page token carries exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from sqlalchemy import Boolean, ColumnElement, Numeric, Text, cast, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from framework.query.columns import Columns
from framework.query.fragments import Fragment, Pieces
from framework.query.json_paths import (
    BITS,
    FRACTIONS,
    FREE,
    as_text,
    below,
    is_map,
    member,
    public_fields,
    whole_number,
)
from framework.resource import Kind
from framework.resource.fields import Field

DEEPEST = 2
# A longer text inside JSON sorts by its beginning: page tokens carry what rows are sorted by.
LONGEST_TEXT = 100
_JSON = JSONB()


@dataclass(frozen=True)
class Place:
    """What rows are sorted by: an expression, whether it may be null, and how its value travels in a page token."""

    value: ColumnElement[Any]
    nullable: bool
    told: ColumnElement[Any]
    """The expression as a row tells it."""
    read: Callable[[Any], ColumnElement[Any]]
    """Makes what a row told into a value to compare with."""


def place_of(path: Sequence[str], columns: Columns, depth: int = 0) -> Place | None:
    """Returns what a path leads to, None when that is nothing to sort by."""
    field = columns.fields.get(path[0])
    if field is not None:
        return _in_field(columns[field.name], field, path[1:])
    related = columns.related(path[0]) if depth < DEEPEST else None
    if related is None or related.many or not path[1:]:
        return None
    there = place_of(path[1:], related.columns, depth + 1)
    if there is None:
        return None

    def found(wanted: ColumnElement[Any]) -> ColumnElement[Any]:
        rows = select(wanted).select_from(related.columns.table).where(related.joined)
        return rows.correlate(columns.table).scalar_subquery()

    return replace(there, value=found(there.value), told=found(there.told), nullable=True)


def _in_field(column: ColumnElement[Any], field: Field, names: Sequence[str]) -> Place | None:
    if field.sortable and not names:
        return _plain(column, nullable=field.blank)
    if field.sensitive or field.kind is not Kind.JSON:
        return None
    return _in_json((column,), field.descriptor, names, element=False)


def _plain(value: ColumnElement[Any], *, nullable: bool = True) -> Place:
    return Place(value, nullable, value, lambda told: literal(told, value.type))


def _in_json(sql: Pieces, declared: FieldDescriptor, names: Sequence[str], *, element: bool) -> Place | None:
    """Follows the declared messages and maps; lists have no one value."""
    message = declared.message_type
    if declared.is_repeated and not element:
        if not is_map(declared) or not names or message is None:
            return None
        return _in_json(below(sql, names[:1]), message.fields_by_name["value"], names[1:], element=True)
    if message is not None and message.full_name in FREE:
        return _free(below(sql, names))
    if message is not None and names:
        found = public_fields(message).get(names[0])
        return _in_json(member(sql, found), found, names[1:], element=False) if found is not None else None
    return None if names else _scalar(sql, declared)


def _scalar(sql: Pieces, declared: FieldDescriptor) -> Place | None:
    if declared.type in BITS:
        return _plain(Fragment(*whole_number(sql), type_=Numeric()))
    if declared.type in FRACTIONS:
        return _plain(Fragment(*_of_type("number", sql, ("(", *sql, ")::numeric")), type_=Numeric()))
    if declared.type == FieldDescriptor.TYPE_BOOL:
        return _plain(Fragment(*_of_type("boolean", sql, ("(", *sql, ")::boolean")), type_=Boolean()))
    if declared.type == FieldDescriptor.TYPE_STRING or declared.enum_type is not None:
        return _plain(Fragment(*_of_type("string", sql, _beginning(sql)), type_=Text()))
    if declared.message_type is not None and declared.message_type.full_name == "google.protobuf.Timestamp":
        # Without their final Z, the order of times is that of their text.
        return _plain(Fragment("rtrim(", *as_text(sql), ", 'Z') COLLATE \"C\"", type_=Text()))
    return None


def _free(sql: Pieces) -> Place:
    """Data without declared types sorts as JSON does: texts, then numbers, then truths; what is no scalar is null."""
    kinds = (
        ("CASE jsonb_typeof(", *sql, ") WHEN 'string' THEN to_jsonb(", *_beginning(sql), ")"),
        (" WHEN 'number' THEN ", *sql, " WHEN 'boolean' THEN ", *sql, " END"),
    )
    value = Fragment(*kinds[0], *kinds[1], type_=_JSON)
    return Place(value, True, cast(value, Text), lambda told: cast(literal(told, Text()), _JSON))


def _beginning(sql: Pieces) -> Pieces:
    return ("left(", *as_text(sql), f', {LONGEST_TEXT}) COLLATE "C"')


def _of_type(kind: str, sql: Pieces, value: Pieces) -> Pieces:
    """The cast is behind the test of its own input."""
    return ("CASE WHEN jsonb_typeof(", *sql, f") = '{kind}' THEN ", *value, " END")
