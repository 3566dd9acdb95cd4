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
    struct.update(dict(values))
    return struct


def value_of(plain: Any) -> Value:
    """Returns one plain JSON value as a protobuf Value."""
    return struct_of({"value": plain}).fields["value"]


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return values_of(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
