"""Messages as plain JSON data, and back: converters compiled once for each kind of message.

The data is what `json_format` makes with the names of the proto, but for whole doubles, which become integers: `Struct`
knows only doubles, people mean 3.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

from google.protobuf import json_format, message_factory, struct_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.internal.type_checkers import ToShortestFloat
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from framework.resource.nesting import holds
from framework.structs import struct_of, value_of

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]
_LARGEST = 2**53
_SHORT = 64
_LONG = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MICROSECONDS = len("2026-11-30T12:00:00.123456Z")
"""How long the text of a time is that Python's clock can hold."""


def plain(message: Any, *, leaving: Collection[str] = (), only: Collection[str] | None = None) -> dict[str, Any]:
    """Returns the fields that a message has as JSON data, by the names of the proto; what is empty is left out.

    So are those that are to be left, and all but those that are wanted `only`. Raises ValueError for a `Value` that no
    JSON stands for.
    """
    writers = _writers(message.DESCRIPTOR)
    data = {}
    for field, value in message.ListFields():
        name, write = writers[field]
        if name in leaving or (only is not None and name not in only):
            continue
        told = write(value) if write else value
        # To protobuf a negative zero is not the empty value, to JSON it is.
        if told != 0 or field.has_presence:
            data[name] = told
    return data


def plain_field(message: Any, field: FieldDescriptor) -> Any:
    """Returns one field of a message as JSON data, what is empty as such; None for a message that is absent."""
    if not field.is_repeated and field.message_type is not None and not message.HasField(field.name):
        return None
    _, write = _writers(message.DESCRIPTOR)[field]
    value = getattr(message, field.name)
    return write(value) if write else value


def plain_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Returns a struct as JSON data; raises ValueError where no JSON stands for a number in it."""
    return {name: _value(value) for name, value in struct.fields.items()}


def made(message_class: type[M], data: Mapping[str, Any]) -> M:
    """Returns the message that JSON data stands for; what it does not know in it is left out."""
    descriptor: Any = message_class.DESCRIPTOR
    try:
        return message_class(**_arguments(descriptor, data))
    except (TypeError, ValueError, AttributeError):
        # Data that is older than its message, or was written by hand: what protobuf makes of it holds.
        return json_format.ParseDict(dict(data), message_class(), ignore_unknown_fields=True)


def moment(time: datetime) -> dict[str, int]:
    """Returns what a constructor takes for a time, to the microsecond."""
    since = time - _EPOCH
    return {"seconds": since // _SECOND, "nanos": since.microseconds * 1000}


def whole(number: float) -> float | int | str:
    """Returns a double as JSON data: an integer when it is one, and words for what JSON has no number for."""
    if number.is_integer():
        return int(number) if -_LARGEST < number < _LARGEST else number
    return number if math.isfinite(number) else _unbounded(number)


def _unbounded(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


@cache
def _writers(descriptor: Descriptor) -> dict[FieldDescriptor, tuple[str, Convert | None]]:
    return {field: (field.name, _writer(field)) for field in descriptor.fields}


def _writer(field: FieldDescriptor) -> Convert | None:
    """Returns what makes JSON data of a field's value; None where it is that already."""
    nested = field.message_type
    if nested is not None and nested.GetOptions().map_entry:
        return partial(_map, _one_writer(nested.fields_by_name["value"]))
    one = _one_writer(field)
    if not field.is_repeated:
        return one
    return partial(_list, one) if one else list


def _one_writer(field: FieldDescriptor) -> Convert | None:
    if field.message_type is not None:
        return _KNOWN.get(field.message_type.full_name) or _message_writer(field.message_type)
    if field.enum_type is not None:
        return partial(_enum_name, field.enum_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: b64encode(value).decode()
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return lambda value: whole(ToShortestFloat(value))
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return whole
    return str if field.cpp_type in _LONG else None


def _message_writer(descriptor: Descriptor) -> Convert:
    if descriptor.file.package == "google.protobuf":
        return partial(json_format.MessageToDict, preserving_proto_field_name=True)
    return plain


def _map(write: Convert | None, value: Any) -> dict[str, Any]:
    return {_key(key): write(value[key]) if write else value[key] for key in value}


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _list(write: Convert, value: Any) -> list[Any]:
    return [write(one) for one in value]


def _enum_name(enum: EnumDescriptor, number: int) -> str | int:
    known = enum.values_by_number.get(number)
    return str(known.name) if known is not None else number


def _value(value: Any) -> Any:
    for field, content in value.ListFields():
        return _VALUES[field](content)
    return None


def _finite(number: float) -> Any:
    if not math.isfinite(number):
        raise ValueError("no JSON stands for NaN or an infinity in a Value")
    return whole(number)


def _itself(value: Any) -> Any:
    return value


def _values(values: Any) -> list[Any]:
    return [_value(value) for value in values.values]


_KINDS: Mapping[str, Convert] = {
    "null_value": lambda _: None,
    "number_value": _finite,
    "string_value": _itself,
    "bool_value": _itself,
    "struct_value": plain_struct,
    "list_value": _values,
}
_VALUES = {struct_pb2.Value.DESCRIPTOR.fields_by_name[name]: kind for name, kind in _KINDS.items()}
_KNOWN: Mapping[str, Convert] = {
    "google.protobuf.Struct": plain_struct,
    "google.protobuf.Value": _value,
    "google.protobuf.ListValue": _values,
    "google.protobuf.Timestamp": lambda moment: moment.ToJsonString(),
}


def reader(field: FieldDescriptor) -> Convert | None:
    """Returns what makes a constructor's argument of a field's JSON data; None where it takes that as it is."""
    inside = field.message_type is not None and holds(field.message_type, _is_read)
    return _reader(field) if inside or _is_read(field) else None


def _arguments(descriptor: Descriptor, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a message's constructor makes the same of as `json_format` would of the data."""
    given = [(name, read, data[name]) for name, read in _readers(descriptor).items() if name in data]
    # Null is absent, but for the one message that holds it.
    found = {name: read(value) for name, read, value in given if value is not None or read is _value_read}
    return {**data, **found} if found else data


@cache
def _readers(descriptor: Descriptor) -> dict[str, Convert]:
    """Returns what makes arguments of JSON data, for the fields that do not take it as it is."""
    found = {field.name: reader(field) for field in descriptor.fields}
    return {name: read for name, read in found.items() if read}


def _is_read(field: FieldDescriptor) -> bool:
    """Says whether a field's data is not what a constructor takes, whatever is inside."""
    if field.message_type is not None:
        return bool(field.message_type.file.package == "google.protobuf")
    return field.cpp_type in _LONG or field.type == FieldDescriptor.TYPE_BYTES


def _reader(field: FieldDescriptor) -> Convert:
    nested = field.message_type
    if nested is not None and nested.GetOptions().map_entry:
        return partial(_map, _one_reader(nested.fields_by_name["value"]))
    one = _one_reader(field)
    return partial(_list, one) if field.is_repeated else one


def _one_reader(field: FieldDescriptor) -> Convert:
    nested = field.message_type
    if nested is None:
        return b64decode if field.type == FieldDescriptor.TYPE_BYTES else int
    if nested.file.package == "google.protobuf":
        return _READ.get(nested.full_name) or partial(_parsed, message_factory.GetMessageClass(nested))
    return partial(_arguments, nested)


def _value_read(plain: Any) -> Any:
    """Returns a Value; the same one for what is small, which comes again and again: constructors copy it."""
    kind = type(plain)
    small = kind is bool or kind is int or (kind is str and len(plain) <= _SHORT)
    # A negative zero is found under zero's name.
    if small or (kind is float and (plain or math.copysign(1.0, plain) > 0)):
        return _small_value(plain)
    return value_of(plain)


_small_value = lru_cache(maxsize=4096, typed=True)(value_of)


def _time(text: str) -> Any:
    return moment(datetime.fromisoformat(text)) if len(text) <= _MICROSECONDS else _parsed(Timestamp, text)


_READ: Mapping[str, Convert] = {
    "google.protobuf.Struct": struct_of,
    "google.protobuf.Value": _value_read,
    "google.protobuf.Timestamp": _time,
}


def _parsed(message_class: type[Message], data: Any) -> Message:
    return json_format.ParseDict(data, message_class())
