"""What field behaviours promise, at every depth: OUTPUT_ONLY is ignored, REQUIRED demanded, IMMUTABLE kept."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from framework.engine.messages import copied, is_empty, refuse_if, same, violations_of
from framework.errors import FieldViolation
from framework.resource import ResourceSpec
from framework.resource.fields import is_id
from framework.resource.nesting import holds

# As the database writes it, and the validation of requests demands it.
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BEHAVIOR = field_behavior_pb2.FieldBehavior


@dataclass(frozen=True)
class _Behaviour:
    """What the fields of a message promise, and which of them hold messages that promise something."""

    output_only: tuple[str, ...]
    required: tuple[str, ...]
    immutable: tuple[str, ...]
    deeper: tuple[str, ...]
    ids: tuple[str, ...]


@cache
def _of(descriptor: Descriptor) -> _Behaviour:
    told = {f.name: set(f.GetOptions().Extensions[field_behavior_pb2.field_behavior]) for f in descriptor.fields}
    ignored = [n for n, said in told.items() if said & {_BEHAVIOR.OUTPUT_ONLY, _BEHAVIOR.IDENTIFIER}]
    return _Behaviour(
        tuple(ignored),
        tuple(n for n, said in told.items() if _BEHAVIOR.REQUIRED in said and n not in ignored),
        tuple(n for n, said in told.items() if _BEHAVIOR.IMMUTABLE in said and n not in ignored),
        tuple(f.name for f in descriptor.fields if f.message_type and holds(f.message_type, _promises)),
        tuple(f.name for f in descriptor.fields if f.type == f.TYPE_STRING and not f.is_repeated and is_id(f.name)),
    )


def _promises(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def ignore_output_only(message: Any, keep: str = "") -> None:
    """Clears every OUTPUT_ONLY field, at every depth, but for the one kept: what clients say about them is ignored."""
    behaviour = _of(message.DESCRIPTOR)
    for name in behaviour.output_only:
        if name != keep:
            message.ClearField(name)
    for _, inner in _inside(message, behaviour):
        ignore_output_only(inner)


def without_output_only(message: Any) -> Any:
    """Returns a copy whose OUTPUT_ONLY fields are cleared."""
    clean = copied(message)
    ignore_output_only(clean)
    return clean


def unsound(message: Any, prefix: str = "") -> list[FieldViolation]:
    """Returns every violation of the bounds; of what they do not complain of, REQUIRED fields and ids that are none."""
    return _besides(violations_of(message, prefix), incomplete(message, prefix))


def wrong_in(request: Any) -> list[FieldViolation]:
    """Returns every violation of a request's bounds, and every REQUIRED field of which no bound complains."""
    return _besides(violations_of(request), missing(request))


def _besides(bounds: list[FieldViolation], more: Iterable[FieldViolation]) -> list[FieldViolation]:
    complained = {v.path for v in bounds}
    return [*bounds, *(v for v in more if v.path not in complained)]


def incomplete(message: Any, prefix: str = "") -> Iterator[FieldViolation]:
    """Yields what no bound says about a resource: REQUIRED fields that are empty, and ids that are none."""
    yield from missing(message, prefix)
    yield from no_ids(message, prefix)


def no_ids(message: Any, prefix: str = "") -> Iterator[FieldViolation]:
    """Yields a violation for every id that is none; validated requests hold everything else that is demanded."""
    for name in _of(message.DESCRIPTOR).ids:
        value = getattr(message, name)
        if value and not _UUID.fullmatch(value):
            yield FieldViolation(prefix + name, "must be a UUID")


def missing(message: Any, prefix: str = "") -> Iterator[FieldViolation]:
    """Yields a violation for every REQUIRED field that is empty, in messages that are there."""
    behaviour = _of(message.DESCRIPTOR)
    for name in behaviour.required:
        if is_empty(message, name):
            yield FieldViolation(prefix + name, "value is required")
    for path, inner in _inside(message, behaviour):
        yield from missing(inner, f"{prefix}{path}.")


def merged(spec: ResourceSpec, old: Any, new: Any, paths: Iterable[str], prefix: str) -> Any:
    """Returns the old message with the named fields of the new one; a changed IMMUTABLE field is refused."""
    result = copied(old)
    faults = []
    for name in paths:
        if spec.fields[name].immutable and not same(old, new, name):
            faults.append(FieldViolation(prefix + name, "is fixed at creation and cannot be changed"))
        _copy(name, new, result)
        if name in _of(old.DESCRIPTOR).deeper:
            faults += _kept(old, result, name, prefix)
    refuse_if(faults)
    return result


def _kept(old: Any, new: Any, name: str, prefix: str) -> Iterator[FieldViolation]:
    """Puts what is OUTPUT_ONLY in a message inside back as it was; yields what is IMMUTABLE there and was changed.

    What is in a list or a map has no identity: there is nothing that it could be held against.
    """
    if old.DESCRIPTOR.fields_by_name[name].is_repeated or not (old.HasField(name) and new.HasField(name)):
        return
    before, after, path = getattr(old, name), getattr(new, name), f"{prefix}{name}."
    behaviour = _of(before.DESCRIPTOR)
    for inner in behaviour.output_only:
        _copy(inner, before, after)
    for inner in behaviour.immutable:
        if not same(before, after, inner):
            yield FieldViolation(path + inner, "is fixed at creation and cannot be changed")
    for inner in behaviour.deeper:
        yield from _kept(before, after, inner, path)


def _copy(name: str, source: Any, target: Any) -> None:
    target.ClearField(name)
    field = source.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        getattr(target, name).MergeFrom(getattr(source, name))
    elif field.has_presence and not source.HasField(name):
        return
    elif field.message_type:
        getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))


def _inside(message: Any, behaviour: _Behaviour) -> Iterator[tuple[str, Any]]:
    """Yields the messages that are there in fields whose messages promise something, each with its path."""
    for name in behaviour.deeper:
        field: FieldDescriptor = message.DESCRIPTOR.fields_by_name[name]
        content = getattr(message, name)
        if not field.is_repeated:
            yield from [(name, content)] if message.HasField(name) else []
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from ((f"{name}[{key}]", content[key]) for key in content)
        else:
            yield from ((f"{name}[{i}]", inner) for i, inner in enumerate(content))
