"""Spaces as the variables service sends them, read for the domain."""

from collections.abc import Iterable
from typing import Any

from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from google.protobuf.json_format import MessageToDict

from domain.space import Space


def space_of(message: VariableSpace) -> Space:
    """Returns the domain's space."""
    return Space.from_json(plain(message.variables), plain(message.constraints))


def plain(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """Returns variables or constraints in the domain's JSON form."""
    # Zero bounds are bounds: they must be written out, the domain takes absent ones for missing.
    return [
        MessageToDict(each, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for each in messages
    ]
