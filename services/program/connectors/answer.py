"""What a model said to one request."""

from dataclasses import dataclass
from typing import Any

from domain.pricing import Usage


def sound(text: str) -> str:
    """Returns a text without halves of surrogate pairs, which can be neither kept nor sent on."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


@dataclass(frozen=True)
class Answer:
    """A completion; usage is None where the endpoint did not tell."""

    text: str
    usage: Usage | None
    finish_reason: str = "stop"
    tool_calls: tuple[dict[str, Any], ...] = ()
