"""What the engine does to messages before it believes them: validation and masks."""

from collections.abc import Iterable
from typing import Any

import protovalidate
from ashgrove.resource.v1 import options_pb2
from buf.validate import validate_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from framework.engine.storable import unstorable
from framework.errors import FieldViolation, InvalidFields
from framework.resource import Kind, ResourceSpec
from framework.storage.rows import plain_value

_MOST_PATHS = 100
_WORDED = {"string.pattern", "enum.in", "enum.not_in", "enum.defined_only", "required"}


def violations_of(message: Message, prefix: str = "") -> list[FieldViolation]:
    """Returns every violation of the message's declared bounds, and all that cannot be stored, each with its path."""
    found = [v.proto for v in protovalidate.collect_violations(message)]
    bounds = [FieldViolation(prefix + _path(v), _words(message.DESCRIPTOR, v) or v.message) for v in found]
    return [*bounds, *(FieldViolation(prefix + v.path, v.message) for v in unstorable(message))]


def _path(violation: Any) -> str:
    path = ""
    for element in violation.field.elements if violation.field else ():
        path += f".{element.field_name}" if path else element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value}]"
    return path or "request"


def _words(descriptor: Any, violation: Any) -> str:
    """Returns what a value should be like: a text with a pattern as its field says it, an enum's, one of a oneof.

    Nothing for other bounds, whose own words say it.
    """
    if violation.rule_id not in _WORDED or violation.for_key:
        return ""
    field = None
    for element in violation.field.elements:
        if not element.field_number:
            return f"must have one of {', '.join(each.name for each in _oneof(descriptor, element.field_name).fields)}"
        field = descriptor.fields_by_number[element.field_number]
        descriptor = field.message_type
        if descriptor is not None and descriptor.GetOptions().map_entry:
            descriptor = descriptor.fields_by_name["value"].message_type
    if field is None or violation.rule_id == "required":
        return ""
    if field.enum_type is not None:
        return f"must be one of {', '.join(_names(field))}"
    return str(field.GetOptions().Extensions[options_pb2.expects])


def _oneof(descriptor: Any, name: str) -> Any:
    return next(each for each in descriptor.oneofs if each.name == name)


def _names(field: Any) -> list[str]:
    """Returns the names that an enum's field takes."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    refused = {*rules.enum.not_in, *rules.repeated.items.enum.not_in}
    taken = {*getattr(rules.enum, "in"), *getattr(rules.repeated.items.enum, "in")}
    numbers = taken or {each.number for each in field.enum_type.values} - refused
    return [each.name for each in field.enum_type.values if each.number in numbers]


def refuse_if(violations: Iterable[FieldViolation]) -> None:
    """Raises InvalidFields with every violation when there is one."""
    found = tuple(violations)
    if found:
        raise InvalidFields(*found)


def copied(message: Any) -> Any:
    """Returns a copy of a message."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def is_empty(message: Any, name: str) -> bool:
    """Says whether a field is absent or holds what stands for nothing."""
    descriptor = message.DESCRIPTOR.fields_by_name[name]
    if descriptor.is_repeated:
        return len(getattr(message, name)) == 0
    return not message.HasField(name) if descriptor.has_presence else not getattr(message, name)


def masked_paths(spec: ResourceSpec, message: Any, mask: FieldMask) -> list[str]:
    """Returns the fields that an update names: the populated ones without a mask, all for `*`.

    Nested paths name their whole top-level field. Raises InvalidFields for a path that no field has.
    """
    if not mask.paths:
        named = [n for n in spec.fields if not is_empty(message, n)]
    elif list(mask.paths) == ["*"]:
        named = list(spec.fields)
    else:
        named = [p.split(".")[0] for p in mask.paths]
        public = spec.message.DESCRIPTOR.fields_by_name
        unknown = [p for p in mask.paths if p.split(".")[0] not in public]
        refuse_if(FieldViolation("update_mask", f"{p} is no field of {spec.singular}") for p in unknown)
    return [n for n in dict.fromkeys(named) if n in spec.fields and not spec.fields[n].output_only]


def selected(spec: ResourceSpec, mask: FieldMask) -> tuple[str, ...] | None:
    """Returns the top-level fields that a read mask names, sorted; None for all of them.

    Raises InvalidFields for every path that no field has; hidden columns have none.
    """
    if not mask.paths or list(mask.paths) == ["*"]:
        return None
    if len(mask.paths) > _MOST_PATHS:
        raise InvalidFields(FieldViolation("read_mask", f"names more than {_MOST_PATHS} paths"))
    descriptor: Any = spec.message.DESCRIPTOR
    unknown = [p for p in mask.paths if not FieldMask(paths=[p]).IsValidForDescriptor(descriptor)]
    refuse_if(FieldViolation("read_mask", f"{p[:80]} is no field of {spec.singular}") for p in unknown)
    return tuple(sorted({p.split(".")[0] for p in mask.paths}))


def pruned(message: Any, mask: FieldMask) -> Any:
    """Returns a message with nothing but what a valid read mask names."""
    if not mask.paths or list(mask.paths) == ["*"]:
        return message
    kept = type(message)()
    mask.MergeMessage(message, kept)
    return kept


def same(old: Any, new: Any, name: str) -> bool:
    """Says whether a field holds the same in both messages, presence included."""
    field = old.DESCRIPTOR.fields_by_name[name]
    if not field.is_repeated and field.has_presence:
        return bool(old.HasField(name) == new.HasField(name) and getattr(old, name) == getattr(new, name))
    return bool(getattr(old, name) == getattr(new, name))


def changed(spec: ResourceSpec, old: Any, new: Any) -> list[str]:
    """Returns the names of the fields that differ, sorted."""
    return sorted(n for n in spec.fields if not same(old, new, n))


def content_of(spec: ResourceSpec, message: Any) -> dict[str, Any]:
    """Returns the revisioned content of a message as plain JSON data."""
    return {
        name: plain_value(spec.fields[name], message) if spec.fields[name].kind is Kind.JSON else getattr(message, name)
        for name in spec.storage.content
    }
