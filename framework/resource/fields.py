"""What the descriptor says about each field of a resource."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ashgrove.resource.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

_BEHAVIOR = field_behavior_pb2.FieldBehavior
_NUMBERS = {
    FieldDescriptor.TYPE_INT32: "INTEGER",
    FieldDescriptor.TYPE_INT64: "BIGINT",
    FieldDescriptor.TYPE_DOUBLE: "DOUBLE",
    FieldDescriptor.TYPE_BOOL: "BOOLEAN",
    FieldDescriptor.TYPE_ENUM: "ENUM",
}
# Strings that end in `_id` and are no UUIDs.
_TEXT_IDS = {"request_id", "credential_id", "trace_id"}


class Kind(Enum):
    """How a field is stored and compared."""

    UUID = "uuid"
    TEXT = "text"
    ENUM = "enum"
    INTEGER = "integer"
    BIGINT = "bigint"
    DOUBLE = "double precision"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamptz"
    JSON = "jsonb"


@dataclass(frozen=True)
class Field:
    """One public field of a resource, as its proto declares it; or what a measure over such a field comes to."""

    name: str
    descriptor: FieldDescriptor
    kind: Kind
    required: bool
    output_only: bool
    immutable: bool
    sensitive: bool
    nullable: bool
    """Whether it may be null: absent ids, times, messages, `optional` scalars; others have a zero."""
    computed: bool = False
    """Whether a formula fills it, which may cost a subquery wherever it is named."""
    guarded: bool = False
    """Whether, for whoever reads, it is absent from the rows on which a field policy forbids it."""

    @property
    def blank(self) -> bool:
        """Whether an expression that holds the field's value may be null."""
        return self.nullable or self.guarded

    @property
    def comparable(self) -> bool:
        """Whether a filter may name it."""
        return self.kind is not Kind.JSON and not self.sensitive

    @property
    def sortable(self) -> bool:
        """Whether an order may name it; where it may be null, nulls have their place."""
        return self.comparable


_ALWAYS = {"id", "created_at", "updated_at"}


# Fields that say something about a row to its caller; no row stores them.
VIRTUAL = frozenset({"etag", "included", "allowed_actions", "forbidden_fields"})


def fields_of(descriptor: Any) -> dict[str, Field]:
    """Returns the fields of a resource message that say something of its row, in order."""
    return {f.name: _field(f) for f in descriptor.fields if f.name not in VIRTUAL}


def _field(descriptor: FieldDescriptor) -> Field:
    behaviors = set(descriptor.GetOptions().Extensions[field_behavior_pb2.field_behavior])
    kind = _kind(descriptor)
    absent = kind in {Kind.UUID, Kind.TIMESTAMP, Kind.JSON} or descriptor.has_presence
    return Field(
        descriptor.name,
        descriptor,
        kind,
        required=_BEHAVIOR.REQUIRED in behaviors,
        output_only=_BEHAVIOR.OUTPUT_ONLY in behaviors or _BEHAVIOR.IDENTIFIER in behaviors,
        immutable=_BEHAVIOR.IMMUTABLE in behaviors,
        sensitive=is_sensitive(descriptor),
        nullable=absent and descriptor.name not in _ALWAYS,
    )


def is_required(descriptor: FieldDescriptor) -> bool:
    """Says whether a field must have a value."""
    return _BEHAVIOR.REQUIRED in descriptor.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_sensitive(descriptor: FieldDescriptor) -> bool:
    """Says whether a field's value must never reach a log, a span, an error, an event or the audit trail."""
    return bool(descriptor.GetOptions().Extensions[options_pb2.sensitive])


def _kind(descriptor: FieldDescriptor) -> Kind:
    if descriptor.is_repeated:
        return Kind.JSON
    if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
        nested = descriptor.message_type
        return Kind.TIMESTAMP if nested and nested.full_name == "google.protobuf.Timestamp" else Kind.JSON
    if descriptor.type == FieldDescriptor.TYPE_STRING:
        return Kind.UUID if is_id(descriptor.name) else Kind.TEXT
    return Kind[_NUMBERS[descriptor.type]]


def is_id(name: str) -> bool:
    """Says whether a text field of this name holds the UUID of a resource."""
    return name == "id" or (name.endswith("_id") and name not in _TEXT_IDS)


def snake(name: str) -> str:
    """Returns a CamelCase name in snake case: `VariableSpace` → `variable_space`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
