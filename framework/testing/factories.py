"""Sound messages of any resource, made from nothing but its descriptor's bounds."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from framework.engine.behaviour import unsound
from framework.identifiers import new_id
from framework.resource import Kind, Resource, ResourceSpec, spec_of
from framework.resource.fields import is_required

_DEEPEST = 5
_PLAIN = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BIGINT, Kind.DOUBLE, Kind.BOOLEAN}
_WORDS = ("name", "a_b", "a", "a-1", "1", "A", "a.b:c")
"""What is tried where a pattern bounds a text."""


def sound(resource: type[Resource[Any]], number: int = 0, /, *, whole: bool = False, **overrides: Any) -> Any:
    """Returns a message that Create takes as far as its declared bounds say; another for every number.

    REQUIRED fields have a value, and optional words and numbers too when it is to be `whole`; the others have none
    unless they are named: `sound(Note, 3, parent_id=other.id)`. Raises AssertionError naming every field whose bounds
    it cannot meet by itself, such as a rule in CEL: name those.
    """
    spec = spec_of(resource)
    made: Any = spec.message()
    for field in spec.fields.values():
        wanted = field.required or (whole and field.kind in _PLAIN)
        if wanted and not field.output_only and field.name not in overrides:
            _fill(made, field.descriptor, number, 0)
    made.MergeFrom(spec.message(**overrides))
    _refuse_unsound(spec, made)
    return made


def _refuse_unsound(spec: ResourceSpec, made: Any) -> None:
    faults = {f"{v.path}: {v.message}" for v in unsound(made)}
    assert not faults, f"give {spec.noun} a value of your own for {'; '.join(sorted(faults))}"


def _fill(message: Any, field: FieldDescriptor, number: int, depth: int) -> None:
    """Gives a field the least value that its bounds allow."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.is_repeated:
        _fill_many(message, field, rules, number, depth)
    elif field.message_type:
        getattr(message, field.name).SetInParent()
        _fill_message(getattr(message, field.name), number, depth + 1)
    else:
        setattr(message, field.name, _value(field, rules, number))


def _fill_many(message: Any, field: FieldDescriptor, rules: Any, number: int, depth: int) -> None:
    assert field.message_type is None or not field.message_type.GetOptions().map_entry, f"{field.name} is a map"
    items = getattr(message, field.name)
    number += 100 * field.number  # what is named in one list is named otherwise in the next
    for at in range(max(1, rules.repeated.min_items)):
        if field.message_type:
            _fill_message(items.add(), number + at, depth + 1)
        else:
            items.append(_value(field, rules.repeated.items, number + at))


def _fill_message(message: Message, number: int, depth: int) -> None:
    """Fills what a nested message must have: what is REQUIRED or has a least length, and one of every such oneof."""
    if depth > _DEEPEST or message.DESCRIPTOR.file.package.startswith("google."):
        return
    descriptor: Any = message.DESCRIPTOR
    for field in descriptor.fields:
        real = field.containing_oneof is not None and not _is_optional(field)
        if _needed(field) and not real:
            _fill(message, field, number, depth)
    for oneof in descriptor.oneofs:
        first = oneof.fields[0]
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required and not _is_optional(first):
            _fill(message, first, number, depth)


def _needed(field: FieldDescriptor) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    least = rules.string.min_len or rules.repeated.min_items or rules.string.pattern or rules.HasField("enum")
    return bool(rules.required or is_required(field) or least or _bounded_above_zero(field, rules))


def _bounded_above_zero(field: FieldDescriptor, rules: Any) -> bool:
    kind = rules.WhichOneof("type")
    bound = getattr(rules, kind) if kind else None
    return field.cpp_type in _NUMBERS and bound is not None and (_least(bound) or 0) > 0


def _is_optional(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and oneof.name == f"_{field.name}"


_NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_FLOAT,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


def _value(field: FieldDescriptor, rules: Any, number: int) -> Any:
    if field.cpp_type in _NUMBERS:
        kind = rules.WhichOneof("type")
        return (_least(getattr(rules, kind)) or 0) if kind else number
    return _SCALARS[field.cpp_type](field, rules, number)


def _least(bound: Any) -> Any:
    """Returns the least number that a rule allows, None without a lower bound."""
    named = {f.name: value for f, value in bound.ListFields()}
    if "const" in named or "in" in named:
        return named.get("const", (named.get("in") or [None])[0])
    step = 1 if "Int" in type(bound).__name__ else 1e-6
    return named.get("gte", named["gt"] + step if "gt" in named else None)


def _text(field: FieldDescriptor, rules: Any, number: int) -> str:
    bounds = rules.string
    if bounds.uuid or (field.name.endswith("_id") and not bounds.ListFields()):
        return str(new_id())
    if bounds.email:
        return f"someone{number}.{new_id().hex[-8:]}@example.com"
    if options := list(getattr(bounds, "in")):
        return str(options[number % len(options)])
    if bounds.pattern:
        return _matching(bounds.pattern, number)
    text = f"{field.name.replace('_', ' ')} {number}".ljust(bounds.min_len, ".")
    return text[: bounds.max_len] if bounds.max_len else text


def _matching(pattern: str, number: int) -> str:
    candidates = [word + suffix for suffix in (f"{number}", f"@{number}", "") for word in _WORDS]
    return next((word for word in candidates if re.search(pattern, word)), "")


def _chosen(field: FieldDescriptor, rules: Any, number: int) -> int:
    assert field.enum_type is not None
    refused = {0, *rules.enum.not_in}
    allowed: list[int] = list(getattr(rules.enum, "in"))
    allowed = allowed or [v.number for v in field.enum_type.values if v.number not in refused]
    return allowed[number % len(allowed)]


_SCALARS: Mapping[int, Callable[[FieldDescriptor, Any, int], Any]] = {
    FieldDescriptor.CPPTYPE_STRING: lambda f, r, n: (
        _text(f, r, n) if f.type == FieldDescriptor.TYPE_STRING else _text(f, r, n).encode()
    ),
    FieldDescriptor.CPPTYPE_ENUM: _chosen,
    FieldDescriptor.CPPTYPE_BOOL: lambda f, r, n: bool(r.bool.const),
}
