"""The story of one execution: the calls of models and the steps it took, bounded, and told on as they happen."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from domain.values import Json

MOST_STEPS = 200
MOST_BYTES = 64 * 1024
MOST_OF_ONE = 8 * 1024
"""How much of one step is kept, and how much of all of them."""


class Charged(Protocol):
    """What a call came to."""

    @property
    def usage(self) -> Any:
        """Its tokens."""

    @property
    def cost_nanos(self) -> int | None:
        """Its cost, None where that is not known."""

    @property
    def latency_ms(self) -> float:
        """How long it took."""

    @property
    def estimated(self) -> bool:
        """Whether nobody told what it took."""


@dataclass(frozen=True)
class Turn:
    """What a model thought, which tool it used with which arguments, and what came of it."""

    thought: str
    tool: str
    arguments: Any = None
    observation: str = ""
    failed: bool = False


class Hears(Protocol):
    """Whoever is told a story as it goes."""

    def say(self, path: str, call: int, text: str) -> None:
        """Takes some words of a model."""

    def step(self, step: Mapping[str, Any]) -> None:
        """Takes a step that has ended."""


_path: ContextVar[str] = ContextVar("ashgrove_path", default="")
_call: ContextVar[int] = ContextVar("ashgrove_call", default=0)


@contextmanager
def at(name: str) -> Iterator[None]:
    """Has everything inside the block told as what this step of a pipeline did."""
    above = _path.get()
    token = _path.set(f"{above}.{name}" if above else name)
    try:
        yield
    finally:
        _path.reset(token)


class Story:
    """What is kept of one execution; `values` says whether that includes what went in and came out."""

    def __init__(self, hears: Hears | None = None, *, values: bool = True) -> None:
        self.steps: list[dict[str, Any]] = []
        self.left_out = 0
        self._hears = hears
        self._values = values
        self._calls = 0
        self._spoken: set[int] = set()
        self._room = MOST_BYTES
        self._began = time.perf_counter()

    async def on_text(self, piece: str) -> None:
        """Tells words of the call that is under way."""
        if self._hears is not None:
            self._spoken.add(_call.get())
            self._hears.say(_path.get(), _call.get(), piece)

    @property
    def listens(self) -> bool:
        """Whether anybody is told as it goes."""
        return self._hears is not None

    def begin_call(self) -> int:
        """Begins a call of a model and returns its number."""
        self._calls += 1
        _call.set(self._calls)
        return self._calls

    async def answered(self, call: int, model: str, text: str, charge: Charged) -> None:
        """Ends a call that was answered; what was not told word by word is told now."""
        if call not in self._spoken and text:
            await self.on_text(text)
        self._end({"kind": "KIND_MODEL_CALL", "call": call, "model": model, **_took(charge)}, text=text)

    def failed(self, call: int, model: str, error: str, error_class: str, charge: Charged | None) -> None:
        """Ends a call that failed."""
        fault = {"error": error[:1000], "error_class": f"ERROR_CLASS_{error_class}"}
        took = {} if charge is None else _took(charge)
        self._end({"kind": "KIND_MODEL_CALL", "call": call, "model": model, **took, **fault})

    def stopped(self, model: str, charge: Charged) -> None:
        """Ends the call that is under way, which was stopped before it was answered."""
        self.failed(_call.get(), model, "it was stopped before it was answered", "CANCELLED", charge)

    def step(self, inputs: Mapping[str, Json], outcome: Any, trace: Any = None, kind: str = "KIND_STEP") -> None:
        """Ends a step, or registered code, with its outcome and what it told of its own way."""
        step = {
            "kind": kind,
            "input_tokens": outcome.input_tokens,
            "output_tokens": outcome.output_tokens,
            "latency_ms": outcome.latency_ms,
            **({} if outcome.unpriced else {"cost_nanos": outcome.cost_micros * 1000}),
        }
        if outcome.outputs is None:
            step |= {"error": outcome.error, "error_class": f"ERROR_CLASS_{outcome.error_class or 'UNSPECIFIED'}"}
        self._end(step, inputs=inputs, outputs=outcome.outputs, trace=trace)

    def used(self, turn: Turn, took: Any, latency_ms: float) -> None:
        """Ends a turn of a program with tools, with what its thought and its tool took together."""
        step = {
            "kind": "KIND_TOOL",
            "tool": turn.tool,
            "input_tokens": took.input_tokens,
            "output_tokens": took.output_tokens,
            "latency_ms": latency_ms,
            "estimated": took.estimated,
            **({} if took.unpriced else {"cost_nanos": took.cost_nanos}),
        }
        if turn.failed:
            step |= {"error": f"{turn.tool} gave nothing of use", "error_class": "ERROR_CLASS_TOOL"}
        inputs = turn.arguments if isinstance(turn.arguments, dict) else {}
        self._end(step, thought=turn.thought, inputs=inputs, observation=turn.observation)

    def _end(self, step: dict[str, Any], **values: Any) -> None:
        if not self._values:
            step.pop("error", None)  # its words may quote
        step |= {"path": _path.get(), "ended_after_ms": (time.perf_counter() - self._began) * 1000}
        if len(self.steps) >= MOST_STEPS:
            self.left_out += 1
            return
        step |= self._kept({name: value for name, value in values.items() if value})
        self.steps.append(step)
        if self._hears is not None:
            self._hears.step(step)

    def _kept(self, values: dict[str, Any]) -> dict[str, Any]:
        """Returns what there is room for; texts are cut, anything else is left out whole."""
        if not self._values:
            return {"shortened": True} if values else {}
        kept: dict[str, Any] = {}
        room = min(MOST_OF_ONE, self._room)
        for name, value in values.items():
            fitting = _cut(value, room) if isinstance(value, str) else value
            size = _size(fitting)
            if size is not None and size <= room:
                kept[name] = fitting
                room, self._room = room - size, self._room - size
        return kept if kept == values else {**kept, "shortened": True}


def _cut(text: str, room: int) -> str:
    return text.replace("\x00", "\ufffd").encode(errors="replace")[:room].decode(errors="ignore")


def _size(value: Any) -> int | None:
    """Returns how large a value is; None for one that no database keeps as JSON."""
    if isinstance(value, str):
        return len(value.encode())
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return None if "\\u0000" in text else len(text.encode())
    except (TypeError, ValueError, RecursionError):
        return None


def _took(charge: Charged) -> dict[str, Any]:
    cost = {} if charge.cost_nanos is None else {"cost_nanos": charge.cost_nanos}
    return {
        "input_tokens": charge.usage.input_tokens,
        "output_tokens": charge.usage.output_tokens,
        "latency_ms": charge.latency_ms,
        "estimated": charge.estimated,
        **cost,
    }
