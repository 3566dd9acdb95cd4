"""Values that must never reach a log, a span, an error, an event or the audit trail, at any depth of a message."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from framework.resource.fields import is_sensitive
from framework.resource.nesting import holds, messages_in

# Shorter texts keep nobody out, and striking them would garble whatever else is said.
_SHORTEST = 4
_STRUCK = "[sensitive]"


def holds_secrets(descriptor: Any) -> bool:
    """Says whether a message has a sensitive field, at any depth."""
    return holds(descriptor, is_sensitive)


def without_secrets(message: Any) -> Any:
    """Returns a message without its sensitive fields, at any depth; itself when its kind has none."""
    if not holds_secrets(message.DESCRIPTOR):
        return message
    bare = type(message)()
    bare.CopyFrom(message)
    _clear(bare)
    return bare


def _clear(message: Any) -> None:
    for field, value in message.ListFields():
        if is_sensitive(field):
            message.ClearField(field.name)
        else:
            for one in messages_in(field, value):
                _clear(one)


def secrets_in(message: Any) -> set[str]:
    """Returns the sensitive values of a message that are worth keeping from others, as text."""
    if not isinstance(message, Message) or not holds_secrets(message.DESCRIPTOR):
        return set()
    return {text for text in _secrets(message, sensitive=False) if len(text) >= _SHORTEST}


def _secrets(message: Any, *, sensitive: bool) -> Iterator[str]:
    for field, value in message.ListFields():
        inside = sensitive or is_sensitive(field)
        inner = list(messages_in(field, value))
        for one in inner:
            yield from _secrets(one, sensitive=inside)
        if inside and not inner:
            yield from map(_text, value if field.is_repeated else [value])


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def struck(text: str, secrets: Iterable[str]) -> str:
    """Returns a text in which every secret is struck out, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _STRUCK)
    return text


def strike(message: Any, secrets: Iterable[str]) -> None:
    """Strikes every secret out of every text of a message, at any depth."""
    for field, value in message.ListFields():
        inner = messages_in(field, value)
        for one in inner:
            strike(one, secrets)
        if field.type == FieldDescriptor.TYPE_STRING:
            _strike_texts(message, field, value, secrets)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry and not inner:
            for key in list(value):
                if isinstance(value[key], str):
                    value[key] = struck(value[key], secrets)


def _strike_texts(message: Any, field: FieldDescriptor, value: Any, secrets: Iterable[str]) -> None:
    if field.is_repeated:
        value[:] = [struck(one, secrets) for one in value]
    else:
        setattr(message, field.name, struck(value, secrets))
