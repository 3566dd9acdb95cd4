"""What an outlet is asked and says: a call, its answer, and why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass


class OutletError(Exception):
    """A call that did not end with an answer."""


class NotReached(OutletError):  # noqa: N818 - what happened
    """Nobody is there."""


class NotReachedInTime(NotReached):
    """Nobody let us in within the time for that."""


class NotAnsweredInTime(OutletError):  # noqa: N818 - what happened
    """Nothing came for longer than may be."""


class Broken(OutletError):  # noqa: N818 - what happened
    """The connection ended, or what came is no answer."""


@dataclass(frozen=True)
class Call:
    """What is asked: `connect_seconds` to be let in, `read_seconds` without a byte."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    connect_seconds: float = 5.0
    read_seconds: float = 60.0


@dataclass(frozen=True)
class Said:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes
