"""Turns messages into rows and rows into messages."""

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from typing import Any
from uuid import UUID

from google.protobuf import json_format, struct_pb2
from google.protobuf.message import Message
from psycopg.types.json import Jsonb

from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field


class Codec:
    """The two directions between one resource's messages and its rows."""

    def __init__(self, spec: ResourceSpec) -> None:
        self.spec = spec
        self._fields = [*spec.fields.items(), *spec.computed.items()]
        self._json = {name: field for name, field in spec.fields.items() if field.kind is Kind.JSON}

    def row(self, message: Message) -> dict[str, Any]:
        """Returns the public columns of a message; absent ids, times and messages become null."""
        # Everything that is kept as JSON is made in one pass over the message.
        data = json_format.MessageToDict(message, preserving_proto_field_name=True) if self._json else {}
        plain = {name: _plain(field, message, data) for name, field in self._json.items()}
        return {
            name: _stored(plain[name]) if name in plain else column_value(field, message)
            for name, field in self.spec.fields.items()
        }

    def message(self, row: Mapping[str, Any]) -> Any:
        """Returns a row as its message, computed fields included when they were fetched, with the etag derived."""
        message = self.spec.message()
        self.fill(message, row)
        return message

    def fill(self, message: Any, row: Mapping[str, Any]) -> None:
        """Puts what the row holds into a message that has none of it."""
        for name, field in self._fields:
            value = row.get(name)
            if value is not None:
                _fill(message, field, value)
        if self.spec.has_etag and row.get("lock_version") is not None:
            message.etag = str(row["lock_version"])


@cache
def codec_of(spec: ResourceSpec) -> Codec:
    """Returns the one codec of a spec."""
    return Codec(spec)


def column_value(field: Field, message: Any) -> Any:
    """Returns what the field's column holds for this message."""
    value = getattr(message, field.name)
    if field.kind is Kind.UUID:
        return UUID(value) if value else None
    if field.descriptor.has_presence and not message.HasField(field.name):
        return None
    if field.kind is Kind.ENUM:
        return enum_name(field, value)
    if field.kind is Kind.TIMESTAMP:
        return value.ToDatetime(tzinfo=UTC) if message.HasField(field.name) else None
    if field.kind is Kind.JSON:
        return _stored(plain_value(field, message))
    return value


def _stored(plain: Any) -> Jsonb | None:
    return None if plain is None else Jsonb(plain)


def plain_value(field: Field, message: Any) -> Any:
    """Returns a message-typed, repeated or map field as plain JSON data, None when absent; names as in the proto."""
    descriptor = field.descriptor
    if not descriptor.is_repeated and not message.HasField(field.name):
        return None
    holder = type(message)()
    if descriptor.is_repeated:
        getattr(holder, field.name).MergeFrom(getattr(message, field.name))
    else:
        getattr(holder, field.name).CopyFrom(getattr(message, field.name))
    return _plain(field, message, json_format.MessageToDict(holder, preserving_proto_field_name=True))


def _plain(field: Field, message: Any, data: Mapping[str, Any]) -> Any:
    """Returns a field's plain JSON data out of that of a message, which leaves out what is empty."""
    if not field.descriptor.is_repeated and not message.HasField(field.name):
        return None
    empty: Any = {} if _is_map(field) or not field.descriptor.is_repeated else []
    return whole_numbers(data.get(field.name, empty))


def whole_numbers(value: Any) -> Any:
    """Returns JSON data with whole doubles as integers: Struct knows only doubles, people mean 3."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {k: whole_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [whole_numbers(v) for v in value]
    return value


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


def _is_map(field: Field) -> bool:
    nested = field.descriptor.message_type
    return field.descriptor.is_repeated and nested is not None and nested.GetOptions().map_entry


def _fill(message: Any, field: Field, value: Any) -> None:
    if field.kind is Kind.UUID:
        setattr(message, field.name, str(value))
    elif field.kind is Kind.TIMESTAMP:
        getattr(message, field.name).FromDatetime(value)
    elif field.kind is Kind.JSON:
        _fill_json(message, field, value)
    elif field.kind is Kind.ENUM:
        # Rows that are older than their column hold the empty text.
        enum = field.descriptor.enum_type
        setattr(message, field.name, enum.values_by_name[value].number if enum and value else 0)
    else:
        setattr(message, field.name, value)


def _fill_json(message: Any, field: Field, value: Any) -> None:
    target = getattr(message, field.name)
    if isinstance(target, struct_pb2.Struct):
        target.SetInParent()
        target.update(value)
    else:
        json_format.ParseDict({field.name: value}, message, ignore_unknown_fields=True)
