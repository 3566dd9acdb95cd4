"""What no message may hold because nothing could store it: U+0000 in text, NaN and infinities in JSON values."""

import math
import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from framework.errors import FieldViolation

# What each of them comes to in the bytes of a message, among harmless things: most messages have no such byte at all.
_SUSPECT = re.compile(rb"\0|[\xf0-\xff][\x7f\xff]")


def unstorable(message: Message, path: str = "") -> Iterator[FieldViolation]:
    """Yields every place whose value PostgreSQL would refuse; structs count as the JSON they mean."""
    if not _SUSPECT.search(message.SerializePartialToString()):
        return
    if isinstance(message, Struct):
        for name, value in message.fields.items():
            yield from _text(name, path)
            yield from unstorable(value, _below(path, name))
    elif isinstance(message, ListValue):
        for i, value in enumerate(message.values):
            yield from unstorable(value, f"{path}[{i}]")
    elif isinstance(message, Value):
        yield from _value(message, path)
    else:
        for descriptor, content in message.ListFields():
            yield from _field(descriptor, content, _below(path, descriptor.name))


def _field(descriptor: FieldDescriptor, content: Any, path: str) -> Iterator[FieldViolation]:
    if descriptor.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
        return
    if descriptor.message_type and descriptor.message_type.GetOptions().map_entry:
        yield from _map(content, path)
        return
    check = _text if descriptor.type == FieldDescriptor.TYPE_STRING else unstorable
    if not descriptor.is_repeated:
        yield from check(content, path)
        return
    for i, item in enumerate(content):
        yield from check(item, f"{path}[{i}]")


def _map(content: Any, path: str) -> Iterator[FieldViolation]:
    for key, item in content.items():
        yield from _text(str(key), path)
        if isinstance(item, Message):
            yield from unstorable(item, f"{path}.{key}")
        elif isinstance(item, str):
            yield from _text(item, f"{path}.{key}")


def _value(value: Value, path: str) -> Iterator[FieldViolation]:
    kind = value.WhichOneof("kind")
    if kind == "number_value" and not math.isfinite(value.number_value):
        yield FieldViolation(path, "must be a finite number")
    elif kind == "string_value":
        yield from _text(value.string_value, path)
    elif kind in ("struct_value", "list_value"):
        yield from unstorable(getattr(value, kind), path)


def _text(text: str, path: str) -> Iterator[FieldViolation]:
    if "\0" in text:
        yield FieldViolation(path, "contains U+0000, which cannot be stored")


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
