"""The channel between the service and a child: JSON behind its length, never pickle, so that nothing is executed."""

import json
import socket
import struct
from typing import Any

HEAD = struct.Struct("!I")
LARGEST_REPLY = 16 * 2**20
"""The most bytes that a child may answer; custom code cannot fill the service's memory."""


def packed(message: dict[str, Any]) -> bytes:
    """Returns a message as it travels; raises ValueError for what is not JSON, NaN and infinities among it."""
    body = json.dumps(message, allow_nan=False, separators=(",", ":")).encode()
    return HEAD.pack(len(body)) + body


def read(channel: socket.socket) -> dict[str, Any] | None:
    """Returns the next message, waiting for it; None when the other side is gone."""
    head = _exactly(channel, HEAD.size)
    body = _exactly(channel, HEAD.unpack(head)[0]) if head else b""
    message: dict[str, Any] | None = json.loads(body) if body else None
    return message


def _exactly(channel: socket.socket, size: int) -> bytearray:
    """Returns so many bytes, or none at all when the channel ends before."""
    got = bytearray(size)
    view, at = memoryview(got), 0
    while at < size:
        count = channel.recv_into(view[at:])
        if count == 0:
            return bytearray()
        at += count
    return got
