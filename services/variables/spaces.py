"""Carries spaces and values between the protos and the domain, every violation at its path in the request."""

from collections.abc import Iterable, Mapping
from typing import Any

from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from domain.space import Space
from domain.values import Invalid, Json, Violation
from framework.errors import FieldViolation, InvalidFields


def space_of(variables: Iterable[pb.Variable], prefix: str = "") -> Space:
    """Returns the domain's space; raises InvalidFields with every violation, such as `variables[2].float.high`."""
    # Zero bounds are bounds: they must be written out, the domain takes absent ones for missing.
    entries = [
        MessageToDict(v, preserving_proto_field_name=True, always_print_fields_with_no_presence=True) for v in variables
    ]
    try:
        return Space.from_json(entries)
    except Invalid as invalid:
        raise refusal(invalid.violations, prefix) from None


def refusal(violations: Iterable[Violation], prefix: str = "") -> InvalidFields:
    """Returns the domain's violations as the failure that callers see."""
    return InvalidFields(*(FieldViolation(prefix + v.path, v.message) for v in violations))


def size_of(space: Space) -> pb.SpaceSize:
    """Returns how large a space is."""
    size = space.size()
    return pb.SpaceSize(
        discrete_cardinality=size.decimal(),
        log10_cardinality=size.log10,
        is_infinite=size.is_infinite,
        discrete_dimensions=size.discrete_dimensions,
        continuous_dimensions=size.continuous_dimensions,
    )


def values_of(struct: Struct) -> dict[str, Json]:
    """Returns a struct's values; NaN and infinities stay, so that the domain can name their place."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Any) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return values_of(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def struct_of(values: Mapping[str, Json]) -> Struct:
    """Returns values as a struct."""
    struct = Struct()
    struct.update(dict(values))
    return struct
