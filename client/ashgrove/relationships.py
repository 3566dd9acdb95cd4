"""What belongs to a resource: how to ask for it with the resource, and how to take it out of the answer."""

from typing import Any

from google.protobuf.message import Message

from ashgrove.values import unpacked


def edge(relationship: str, *, filter: str = "", order_by: str = "", page_size: int = 10, page_token: str = "") -> str:
    """Returns an `include` of a relationship; a page token goes on where an earlier answer for the same one stopped."""
    asked = {"filter": filter, "order_by": order_by, "page_token": page_token}
    told = [f"{name}={_quoted(value)}" for name, value in asked.items() if value]
    return f"{relationship}({', '.join([*told, f'page_size={page_size}'])})"


def included(message: Any, relationship: str) -> list[Message]:
    """Returns what came with a resource; raises KeyError when that relationship was not asked for."""
    for one in message.included:
        if one.relationship == relationship:
            return [unpacked(packed) for packed in one.resources]
    raise KeyError(relationship)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
