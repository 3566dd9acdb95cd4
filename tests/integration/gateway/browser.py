"""What browsers and their libraries do with streams, written by hand: EventSource's parser, and gRPC-Web."""

import base64
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)
_TRAILERS = 0x80


@dataclass
class Event:
    """One event as a page's listener gets it."""

    data: str
    type: str = "message"
    last_event_id: str = ""


def server_sent(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Yields events as the HTML standard reads them; one that no empty line ends is never dispatched."""
    data: list[str] = []
    kind = ""
    for line in _lines(chunks):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event("\n".join(data), kind or "message")
            data, kind = [], ""
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    held = b""
    for chunk in chunks:
        *whole, held = re.split(rb"\r\n|\n|\r", held + chunk)
        for line in whole:
            yield line.decode()


@dataclass
class Reply:
    """What a gRPC-Web library hands over: the status and message of the call, once trailers came."""

    status: int | None = None
    message: str = ""
    trailers: dict[str, str] = field(default_factory=dict)

    def take(self, headers: dict[str, str]) -> None:
        """Reads the outcome out of trailers, or out of the head of an answer without body."""
        self.trailers |= headers
        if "grpc-status" in headers:
            self.status = int(headers["grpc-status"])
            self.message = headers.get("grpc-message", "")


def asked(message: Message, *, as_text: bool) -> bytes:
    """Returns the body of a request with one message."""
    data = message.SerializeToString()
    framed = struct.pack(">BI", 0, len(data)) + data
    return base64.b64encode(framed) if as_text else framed


def told(chunks: Iterable[bytes], kind: type[M], reply: Reply, *, as_text: bool) -> Iterator[M]:
    """Yields the messages of an answer's body as they arrive; the trailers, which come last, go to the reply."""
    held = b""
    for chunk in _decoded(chunks) if as_text else chunks:
        held += chunk
        while len(held) >= 5 and len(held) >= 5 + struct.unpack(">I", held[1:5])[0]:
            size = struct.unpack(">I", held[1:5])[0]
            flags, data, held = held[0], held[5 : 5 + size], held[5 + size :]
            if flags & _TRAILERS:
                lines = data.decode().strip().split("\r\n")
                reply.take({k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)})
            else:
                yield kind.FromString(data)
    assert not held, "the body ends within a frame"


def _decoded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # Every piece that was sent ends with its own padding, so four characters are decoded at a time.
    held = b""
    for chunk in chunks:
        held += chunk
        whole = len(held) // 4 * 4
        yield b"".join(base64.b64decode(held[i : i + 4]) for i in range(0, whole, 4))
        held = held[whole:]
    assert not held, "the body ends within four characters"
