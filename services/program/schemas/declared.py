"""Declared fields between the proto and the domain."""

from collections.abc import Iterable
from functools import lru_cache

from ashgrove.program.v1 import signature_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict

from domain.signatures.field import Field, field_of

_KEPT = 4096


def field_from(message: pb.SignatureField) -> Field:
    """Returns the domain's field; equal content is read once, as long as it is kept."""
    return read_field(message.SerializeToString(deterministic=True))


def fields_from(messages: Iterable[pb.SignatureField]) -> tuple[Field, ...]:
    """Returns the domain's fields."""
    return tuple(map(field_from, messages))


def message_of(field: Field) -> pb.SignatureField:
    """Returns a field as its message."""
    made: pb.SignatureField = ParseDict(field.to_json(), pb.SignatureField())
    return made


@lru_cache(maxsize=_KEPT)
def read_field(content: bytes) -> Field:
    """Returns the field of a serialized message, read once as long as it is kept."""
    return field_of(MessageToDict(pb.SignatureField.FromString(content), preserving_proto_field_name=True))
