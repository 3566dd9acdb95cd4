"""Calling custom code inside a child: seeded, timed around the call alone, and what comes back checked."""

import inspect
import math
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ashgrove.custom import Metric, Part, Prediction

from domain.values import Invalid, Json, normalise
from services.program.code.contract import CodeFault, ErrorClass
from services.program.code.wording import a, told

_SAID = ("feedback", "feedback_by_slot")
_LONGEST_SLOT = 200
_LONGEST_FEEDBACK = 10_000


@dataclass(frozen=True)
class Call:
    """One call of custom code: of what, with what, what becomes of the answer, and what its faults are called."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    seed: int
    checked: Callable[[Any, float], dict[str, Any]]
    """Turns the answer and its milliseconds into a reply; raises CodeFault."""
    blamed: ErrorClass
    subject: str

    def now(self) -> dict[str, Any]:
        """Returns the reply, calling in this thread; what turns out to be awaitable gets a loop of its own."""
        try:
            seed(self.seed)
            began = time.perf_counter()
            answer = self.function(*self.arguments)
            if inspect.isawaitable(answer):
                answer = _awaited(answer)
            took = (time.perf_counter() - began) * 1000
        except Exception as error:
            raise self._fault(error) from error
        return self.checked(answer, took)

    async def later(self) -> dict[str, Any]:
        """Returns the reply, calling in the running loop."""
        try:
            seed(self.seed)
            began = time.perf_counter()
            answer = await self.function(*self.arguments)
            took = (time.perf_counter() - began) * 1000
        except Exception as error:
            raise self._fault(error) from error
        return self.checked(answer, took)

    def _fault(self, error: Exception) -> CodeFault:
        traceback.print_exception(error, file=sys.stderr)
        if isinstance(error, MemoryError):
            return CodeFault("MEMORY_LIMIT", f"{self.subject} ran out of memory")
        return CodeFault(self.blamed, f"{self.subject} raised {told(error)}")


def seed(value: int) -> None:
    """Seeds Python's generator, and NumPy's global one where NumPy is in use."""
    random.seed(value)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(value % 2**32)


def _awaited(answer: Any) -> Any:
    import asyncio  # a child that only knows sync functions does without

    async def wait() -> Any:
        return await answer

    return asyncio.run(wait())


def ran(answer: Any, latency_ms: float) -> dict[str, Any]:
    """Returns the reply for what a program returned; a BAD_OUTPUT fault says what is wrong with it."""
    given = answer if isinstance(answer, Prediction) else Prediction(answer)
    outputs, trace = _mapping(given.outputs, "outputs"), _mapping(given.trace, "trace")
    return {"outputs": outputs, "trace": trace, "latency_ms": latency_ms}


def _mapping(value: Any, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise CodeFault("BAD_OUTPUT", f"the {what} must be a mapping of names to JSON values, not {a(value)}")
    try:
        return normalise(value, what)
    except Invalid as invalid:
        first = invalid.violations[0]
        raise CodeFault("BAD_OUTPUT", f"{first.path} {first.message}"[:1000]) from invalid
    except Exception as error:  # a mapping of the author's own may do anything
        raise CodeFault("BAD_OUTPUT", f"the {what} cannot be read: {told(error)}") from error


def scored(name: str, metric: Metric, answer: Any) -> dict[str, Any]:
    """Returns the reply for what a metric returned; a METRIC fault says which promise it breaks."""
    given = _parted(name, metric, answer)
    promises: Mapping[str, Metric | Part] = metric.parts or {"": metric}
    if unknown := given.keys() - promises.keys():
        raise CodeFault("METRIC", f"the metric {name} has no part {', '.join(sorted(map(str, unknown)))}")
    if missing := promises.keys() - given.keys():
        raise CodeFault("METRIC", f"the metric {name} gave no score for {', '.join(sorted(missing))}")
    names = {part: f"{name}.{part}" if part else name for part in promises}
    scores = {names[part]: _number(names[part], promise, given[part]) for part, promise in promises.items()}
    said = answer if isinstance(answer, Mapping) else {}
    by_slot = said.get("feedback_by_slot", {})
    if not isinstance(by_slot, Mapping) or not all(isinstance(slot, str) and slot for slot in by_slot):
        raise CodeFault("METRIC", f"the `feedback_by_slot` of the metric {name} must be a mapping of slots to texts")
    told = {slot[:_LONGEST_SLOT].replace("\x00", "\ufffd"): _text(name, words) for slot, words in by_slot.items()}
    return {"scores": scores, "feedback": _text(name, said.get("feedback", "")), "feedback_by_slot": told}


def _parted(name: str, metric: Metric, answer: Any) -> dict[str, Any]:
    """Returns the scores by part; a metric without parts has one, without a name."""
    if not isinstance(answer, Mapping):
        if metric.parts:
            raise CodeFault("METRIC", f"the metric {name} has parts, but returned {a(answer)} instead of their scores")
        return {"": answer}
    wanted = "scores" if metric.parts else "score"
    if unknown := answer.keys() - {wanted, *_SAID}:
        known = f"`{wanted}`, `feedback` and `feedback_by_slot` are known"
        raise CodeFault("METRIC", f"the metric {name} returned {_listed(unknown)}; {known}")
    if wanted not in answer:
        raise CodeFault("METRIC", f"the metric {name} returned no `{wanted}`")
    given = answer[wanted]
    if not metric.parts:
        return {"": given}
    if not isinstance(given, Mapping):
        raise CodeFault("METRIC", f"the scores of the metric {name} must be a mapping of parts, not {a(given)}")
    return dict(given)


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(map(str, names)))[:200]


def _number(name: str, promise: Metric | Part, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise CodeFault("METRIC", f"the score {name} must be a number, not {a(value)}")
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise CodeFault("METRIC", f"the score {name} must be a finite number, not {number}")
    if not promise.low <= number <= promise.high:
        promised = f"{promise.low:g} to {promise.high:g}"
        raise CodeFault("METRIC", f"the score {name} is {number:g}, outside its declared range {promised}")
    return number


def _text(name: str, feedback: Any) -> str:
    if not isinstance(feedback, str):
        raise CodeFault("METRIC", f"the feedback of the metric {name} must be text, not {a(feedback)}")
    clean = feedback[:_LONGEST_FEEDBACK].replace("\x00", "\ufffd")
    return clean.encode("utf-8", "replace").decode()
