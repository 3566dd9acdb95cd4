"""Carries spaces and values between the protos and the domain, every violation at its path in the request."""

from collections.abc import Iterable

from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import MessageToDict

from domain.space import Space
from domain.values import Invalid, Violation
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
