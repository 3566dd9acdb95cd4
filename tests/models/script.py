"""What the model server answers: one reply per request, in the order of the script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Say:
    """An answer of a model: its text, tool calls and usage; `usage=None` leaves the usage out."""

    text: str = "ok"
    tool_calls: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] | None = field(default_factory=lambda: {"prompt_tokens": 11, "completion_tokens": 7})
    latency: float = 0.0
    """Seconds before its first byte."""
    pieces: int = 3
    """How many deltas a stream has."""
    finish_reason: str = "stop"

    def message(self) -> dict[str, Any]:
        """Returns the message as the protocol has it."""
        said: dict[str, Any] = {"role": "assistant", "content": self.text}
        return said | ({"tool_calls": [dict(call) for call in self.tool_calls]} if self.tool_calls else {})

    def deltas(self) -> list[str]:
        """Returns the text in pieces that make it whole again."""
        size = max(1, -(-len(self.text) // self.pieces))
        return [self.text[i : i + size] for i in range(0, len(self.text), size)]


@dataclass(frozen=True)
class Reply:
    """An answer that is no model's: a status, headers and a body, such as 429 with Retry-After, or malformed JSON."""

    status: int = 200
    body: str = '{"error": {"message": "scripted"}}'
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stall:
    """No answer until the caller goes away; of a stream, none after `after` deltas."""

    after: int = 0


@dataclass(frozen=True)
class Cut:
    """The connection is closed in the middle: of a stream after `after` deltas, else within the body."""

    after: int = 1


Step = Say | Reply | Stall | Cut
