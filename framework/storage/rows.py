"""Turns messages into rows and rows into messages, by converters that are compiled once for each resource."""

from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache
from operator import attrgetter
from typing import Any
from uuid import UUID

from google.protobuf import json_format
from google.protobuf.message import Message
from psycopg.types.json import Jsonb

from framework.plain import moment, plain_field, reader
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field

_UNFIT = (TypeError, ValueError, AttributeError)


class Codec:
    """The two directions between one resource's messages and its rows."""

    def __init__(self, spec: ResourceSpec) -> None:
        self.spec = spec
        self._columns = [(name, column_of(field)) for name, field in spec.fields.items()]
        every = {**spec.fields, **spec.computed}
        self._arguments = [(name, _argument(field)) for name, field in every.items()]
        self._json = {name for name, field in every.items() if field.kind is Kind.JSON}

    def row(self, message: Message) -> dict[str, Any]:
        """Returns the public columns of a message; absent ids, times and messages become null."""
        return {name: column(message) for name, column in self._columns}

    def message(self, row: Mapping[str, Any]) -> Any:
        """Returns a row as its message, computed fields included when they were fetched, with the etag derived."""
        known = [(name, read, row[name]) for name, read in self._arguments if row.get(name) is not None]
        try:
            made: Any = self.spec.message(**{name: read(value) if read else value for name, read, value in known})
        except _UNFIT:
            made = self._parsed(known)
        if self.spec.has_etag and row.get("lock_version") is not None:
            made.etag = str(row["lock_version"])
        return made

    def _parsed(self, known: list[tuple[str, Callable[[Any], Any] | None, Any]]) -> Any:
        """Returns what protobuf makes of JSON that is older than its message, or was written by hand."""
        plain = {name: read(value) if read else value for name, read, value in known if name not in self._json}
        made = self.spec.message(**plain)
        json_format.ParseDict({n: v for n, _, v in known if n in self._json}, made, ignore_unknown_fields=True)
        return made


@cache
def codec_of(spec: ResourceSpec) -> Codec:
    """Returns the one codec of a spec."""
    return Codec(spec)


def column_value(field: Field, message: Any) -> Any:
    """Returns what the field's column holds for this message."""
    return column_of(field)(message)


@cache
def column_of(field: Field) -> Callable[[Any], Any]:
    """Returns what takes the value of a field's column out of a message."""
    value: Callable[[Any], Any] = attrgetter(field.name)
    if field.kind is Kind.UUID:
        return lambda message: UUID(given) if (given := value(message)) else None
    if field.kind is Kind.JSON:
        return lambda message: _stored(plain_value(field, message))
    if field.kind is Kind.ENUM:
        return _present(field, lambda message: enum_name(field, value(message)))
    if field.kind is Kind.TIMESTAMP:
        return _present(field, lambda message: value(message).ToDatetime(tzinfo=UTC))
    return _present(field, value)


def _present(field: Field, column: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if not field.descriptor.has_presence:
        return column
    return lambda message: column(message) if message.HasField(field.name) else None


def _stored(plain: Any) -> Jsonb | None:
    return None if plain is None else Jsonb(plain)


def bare(value: Any) -> Any:
    """Returns a column's value as plain data."""
    return value.obj if isinstance(value, Jsonb) else value


def plain_value(field: Field, message: Any) -> Any:
    """Returns a message-typed, repeated or map field as plain JSON data, None when absent; names as in the proto."""
    return plain_field(message, field.descriptor)


def enum_name(field: Field, number: int) -> str:
    """Returns the full name of an enum value, which is what columns hold."""
    enum = field.descriptor.enum_type
    assert enum is not None
    return str(enum.values_by_number[number].name)


def named(spec: ResourceSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values of columns with the numbers of enums as their names; names stay what they are."""
    return {name: _named(spec.fields.get(name), value) for name, value in values.items()}


def _named(field: Field | None, value: Any) -> Any:
    return enum_name(field, value) if field and field.kind is Kind.ENUM and isinstance(value, int) else value


def _argument(field: Field) -> Callable[[Any], Any] | None:
    """Returns what makes a message's argument of a column's value; None where it is that already."""
    if field.kind is Kind.UUID:
        return str
    if field.kind is Kind.TIMESTAMP:
        return moment
    if field.kind is Kind.JSON:
        return reader(field.descriptor)
    # Rows that are older than their column hold the empty text.
    return (lambda name: name or 0) if field.kind is Kind.ENUM else None
