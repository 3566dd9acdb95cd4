"""Traces: thin spans of ours, sampled where they begin, which leave as OTLP over HTTP; free where nobody wants them.

`with span("judge", {"examples": 12}) as s: s.set("score", 0.5)` tells how long a piece of work took and what came of
it. Until a process is told where spans go (`framework.rpc.tracing`), every span is one and the same that does nothing.
A span tells numbers, ids and names, never payloads: texts are cut short, and the sensitive values of the request that
is served are struck out.
"""

import random
import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from google.protobuf.message import Message

from framework.errors import Failure
from framework.resource.sensitive import secrets_in, struck

Value = str | bool | int | float | tuple[str, ...]
INTERNAL, SERVER, CLIENT, CONSUMER = "INTERNAL", "SERVER", "CLIENT", "CONSUMER"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")  # W3C Trace Context
_NO_TRACE, _NO_PARENT = "0" * 32, "0" * 16
_LONGEST = 256
# Ways out of a block that are no faults: a caller who leaves, a stream that nobody reads on.
_LEAVING = ("CancelledError", "GeneratorExit")
_ids = random.Random()


@dataclass(frozen=True)
class Traced:
    """Where a call stands in somebody's trace, as its `traceparent` header said; empty when it said nothing sound."""

    trace_id: str = ""
    parent: str = ""
    sampled: bool = False
    header: str = ""

    @classmethod
    def by(cls, header: str) -> "Traced":
        """Reads a header; one that is no W3C traceparent is as good as none."""
        found = _TRACEPARENT.fullmatch(header)
        if found is None or found[1] == _NO_TRACE or found[2] == _NO_PARENT or header.startswith("ff"):
            return _UNTRACED
        return cls(found[1], found[2], bool(int(found[3], 16) & 1), header)


_UNTRACED = Traced()


class Span:
    """One piece of work in a trace; it ends with its `with` block, or by `end`."""

    __slots__ = (
        *("_before", "attributes", "began", "failed", "id", "kind"),
        *("name", "parent", "sampled", "secrets", "trace_id"),
    )

    def __init__(self, name: str, trace_id: str, parent: str, *, sampled: bool, kind: str = INTERNAL) -> None:
        self.name, self.trace_id, self.parent, self.kind = name, trace_id, parent, kind
        self.id = f"{_ids.getrandbits(64) or 1:016x}"
        self.sampled = sampled
        self.attributes: dict[str, Value] = {}
        self.secrets: frozenset[str] = frozenset()
        self.failed = False
        """Whether it ended by a fault; a refusal is none."""
        self.began = time.time_ns()
        self._before: Span | None = None

    def set(self, key: str, value: object, *, longest: int = _LONGEST) -> None:
        """Tells a number, a flag, a short text or some about the work; of a longer text its beginning."""
        if isinstance(value, tuple):
            self.attributes[key] = tuple(str(each)[:longest] for each in value)
        else:
            self.attributes[key] = value if isinstance(value, bool | int | float) else str(value)[:longest]

    def fail(self, kind: str) -> None:
        """Marks the work as failed, by a word for what kind of failure it was."""
        self.set("error.type", kind)
        self.failed = True

    def keep_from_it(self, request: object) -> None:
        """Has the sensitive values of a request struck out of whatever this span and those below it tell."""
        self.secrets = frozenset(secrets_in(request)) if isinstance(request, Message) else frozenset()

    def end(self) -> None:
        """Sends the span off, when its trace is one of those that are sent."""
        if self.sampled and _sends is not None:
            if self.secrets:
                self.attributes = {key: self._struck(value) for key, value in self.attributes.items()}
            _sends.send(self)

    def _struck(self, value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(struck(each, self.secrets) for each in value)
        return struck(value, self.secrets) if isinstance(value, str) else value

    @property
    def traceparent(self) -> str:
        """The span as the header that makes it the parent of what is called."""
        return f"00-{self.trace_id}-{self.id}-{'01' if self.sampled else '00'}"

    def enter(self) -> None:
        """Makes the span the current one of this task for as long as the task lasts."""
        _current.set(self)

    def __enter__(self) -> Self:
        self._before = _current.get()
        _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        _current.set(self._before)
        if kind is not None and kind.__name__ not in _LEAVING:
            self.set("error.type", kind.__name__)  # its message may quote what nobody else may read
            self.failed = not issubclass(kind, Failure)
        self.end()


class _Nothing(Span):
    """The span that does nothing: what everybody gets who is not traced."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("", "", "", sampled=False)

    def set(self, key: str, value: object, *, longest: int = _LONGEST) -> None:
        pass

    def fail(self, kind: str) -> None:
        pass

    def end(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        pass


class Sends:
    """What spans are sent through, and which share of the traces that begin here."""

    def __init__(self, send: Callable[[Span], None], ratio: float, close: Callable[[], None] = lambda: None) -> None:
        self.send, self.ratio, self.close = send, ratio, close


NOTHING = _Nothing()
_sends: Sends | None = None
_current: ContextVar[Span | None] = ContextVar("ashgrove_span", default=None)


def through(sends: Sends | None) -> None:
    """Has spans sent through this from now on; through None, none are."""
    global _sends
    _sends = sends


def stop() -> None:
    """Sends what waits, for at most a few seconds, and then no more."""
    sends = _sends
    through(None)
    if sends is not None:
        sends.close()


def on() -> bool:
    """Says whether spans are sent at all."""
    return _sends is not None


def span(
    name: str, attributes: Mapping[str, object] | None = None, *, kind: str = INTERNAL, alone: bool = True
) -> Span:
    """Returns a span below the current one; where there is none it begins a trace, unless it is nothing `alone`."""
    if _sends is None:
        return NOTHING
    above = _current.get()
    if above is None:
        return _filled(_first(name, _UNTRACED, kind), attributes) if alone else NOTHING
    if not above.sampled:
        return NOTHING
    made = Span(name, above.trace_id, above.id, sampled=True, kind=kind)
    made.secrets = above.secrets
    return _filled(made, attributes)


def serving(name: str, header: str, attributes: Mapping[str, object] | None = None) -> Span:
    """Returns the span of a call that came with this `traceparent`; whoever began the trace chose if it is sent."""
    return continuing(name, header, attributes, kind=SERVER)


def continuing(name: str, header: str, attributes: Mapping[str, object] | None = None, *, kind: str) -> Span:
    """Returns a span below the one that a `traceparent` tells of; without one it begins a trace."""
    return NOTHING if _sends is None else _filled(_first(name, Traced.by(header), kind), attributes)


def _first(name: str, caller: Traced, kind: str) -> Span:
    assert _sends is not None
    if caller.trace_id:
        return Span(name, caller.trace_id, caller.parent, sampled=caller.sampled, kind=kind)
    return Span(name, f"{_ids.getrandbits(128) or 1:032x}", "", sampled=_ids.random() < _sends.ratio, kind=kind)


def _filled(made: Span, attributes: Mapping[str, object] | None) -> Span:
    if attributes and made.sampled:
        for key, value in attributes.items():
            made.set(key, value)
    return made


def trace_id() -> str:
    """Returns the trace that this task works in; empty when it works in none of ours."""
    above = _current.get()
    return above.trace_id if above is not None else ""


def traceparent(said: str = "") -> str:
    """Returns the current span as the header for those who are called; where there is none, what the caller said."""
    above = _current.get()
    return above.traceparent if above is not None else said
