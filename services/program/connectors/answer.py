"""What a model said to one request."""

from dataclasses import dataclass
from typing import Any

from domain.pricing import Usage


@dataclass(frozen=True)
class Answer:
    """A completion; usage is None where the endpoint did not tell."""

    text: str
    usage: Usage | None
    finish_reason: str = "stop"
    tool_calls: tuple[dict[str, Any], ...] = ()
