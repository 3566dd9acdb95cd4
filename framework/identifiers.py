"""UUIDv7 (RFC 9562): identifiers made by the server, in the order of their making."""

import os
import time
import uuid


def new_id() -> uuid.UUID:
    """Returns a UUIDv7: 48 bits of milliseconds, 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
