"""What is inside a message: fields at any depth, and the messages that a field holds."""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


@cache
def holds(descriptor: Descriptor, meant: Callable[[FieldDescriptor], bool]) -> bool:
    """Says whether a message has a field that is meant, at any depth; asked with a function that lasts."""
    every, known = [descriptor], {descriptor.full_name}
    for one in every:
        for field in one.fields:
            if meant(field):
                return True
            inner = field.message_type
            if inner is not None and inner.full_name not in known:
                known.add(inner.full_name)
                every.append(inner)
    return False


def messages_in(field: FieldDescriptor, value: Any) -> list[Any]:
    """Returns the messages that a field's value is or holds: one, those of a list, those of a map."""
    if field.message_type is None:
        return []
    if field.message_type.GetOptions().map_entry:
        value = value.values()
    return [one for one in (value if field.is_repeated else [value]) if isinstance(one, Message)]
