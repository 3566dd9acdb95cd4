"""Structs as plain JSON values, and back."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value


def values_of(struct: Struct) -> dict[str, Any]:
    """Returns a struct's values; NaN and infinities stay, so that whoever judges them can name their place."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def struct_of(values: Mapping[str, Any]) -> Struct:
    """Returns values as a struct."""
    struct = Struct()
    put(values, struct)
    return struct


def put(values: Mapping[str, Any], struct: Struct) -> None:
    """Puts values into a struct."""
    fields = struct.fields
    for name, value in values.items():
        _put(fields[name], value)


def value_of(plain: Any) -> Value:
    """Returns one plain JSON value as a protobuf Value."""
    value = Value()
    _put(value, plain)
    return value


def _put(target: Any, plain: Any) -> None:
    if isinstance(plain, str):
        target.string_value = plain
    elif plain is None:
        target.null_value = 0
    elif isinstance(plain, bool):
        target.bool_value = plain
    elif isinstance(plain, int | float):
        target.number_value = plain
    elif isinstance(plain, Mapping):
        target.struct_value.CopyFrom(struct_of(plain))
    else:
        target.list_value.SetInParent()
        for one in plain:
            _put(target.list_value.values.add(), one)


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return values_of(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
