"""What a run has used of what it may, as its worker knows it: noted with every example, not only with every trial."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ashgrove.program.v1.execution_pb2 import Evaluation, EvaluationResult

from framework.storage import Transaction

_LIMITED = {
    "metric_calls": "END_REASON_METRIC_CALLS",
    "tokens": "END_REASON_TOKENS",
    "cost_micros": "END_REASON_COST",
    "seconds": "END_REASON_SECONDS",
}
_SUMMED = ("metric_calls", "tokens", "cost_micros")
_USED = """
SELECT coalesce(sum(t.finished_count), 0)::bigint AS metric_calls, coalesce(sum(t.tokens), 0)::bigint AS tokens,
       coalesce(sum(t.cost_micros), 0)::bigint AS cost_micros,
       (SELECT coalesce(extract(epoch FROM coalesce(completed_at, now()) - started_at) - rested_seconds, 0)::float8
        FROM optimization_runs WHERE organization_id = %(organization_id)s AND id = %(id)s) AS seconds
FROM trials t WHERE t.organization_id = %(organization_id)s AND t.optimization_run_id = %(id)s
"""
_RUNNING_FOR = """
SELECT (extract(epoch FROM now() - started_at) - rested_seconds)::float8 AS seconds FROM optimization_runs
WHERE organization_id = %(organization_id)s AND id = %(id)s
"""


async def seconds_of(tx: Transaction, run: Mapping[str, Any]) -> float:
    """Returns for how long a run has been running, by the database's clock; 0 for one that has not begun."""
    row = await tx.fetch_one(_RUNNING_FOR, run)
    return float(row["seconds"] or 0) if row else 0.0


async def used_by(tx: Transaction, run: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a run's trials have used so far, and how long it has been running."""
    found = await tx.fetch_one(_USED, run)
    assert found is not None
    return found


def is_limited(limits: Mapping[str, Any]) -> bool:
    """Tells whether anything that a run uses is limited."""
    return any(int(limits.get(name, 0)) for name in _LIMITED)


def shares_of(limits: Mapping[str, Any], used: Mapping[str, float]) -> Iterator[tuple[str, float, float]]:
    """Yields the name of each limit, how much of it is used, and how much may be."""
    yield from ((name, used[name], most) for name in _LIMITED if (most := int(limits.get(name, 0))))


def limit_reached(limits: Mapping[str, Any], used: Mapping[str, float]) -> str:
    """Returns which limit is reached by what a run has used, as its end reason has it; empty while none is."""
    reached = (name for name in _LIMITED if 0 < int(limits.get(name, 0)) <= used[name])
    return next((_LIMITED[name] for name in reached), "")


@dataclass
class Usage:
    """What one trial has used."""

    metric_calls: int = 0
    tokens: int = 0
    cost_micros: int = 0

    @property
    def columns(self) -> dict[str, int]:
        """What was used, by the names of columns."""
        return {"metric_calls": self.metric_calls, "tokens": self.tokens, "cost_micros": self.cost_micros}

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.metric_calls + other.metric_calls, self.tokens + other.tokens, self.cost_micros + other.cost_micros
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return self + Usage(-other.metric_calls, -other.tokens, -other.cost_micros)

    def add(self, result: EvaluationResult) -> None:
        """Adds what one example took."""
        self.metric_calls += 1
        self.tokens += _tokens(result)
        self.cost_micros += result.cost_micros + result.metric_cost_micros


def usage_of(evaluation: Evaluation) -> Usage:
    """Returns what a whole evaluation took."""
    cost = evaluation.cost_micros + evaluation.metric_cost_micros
    return Usage(evaluation.finished_count, _tokens(evaluation), cost)


def noted(trial: Mapping[str, Any]) -> Usage:
    """Returns what a trial's row says it has used."""
    return Usage(trial["finished_count"], trial["tokens"], trial["cost_micros"])


class Spending:
    """The books of one run's limits; raises nothing, tells."""

    def __init__(self, limits: Mapping[str, Any] | None) -> None:
        self.limits = limits or {}
        self._used: dict[str, Usage] = {}
        self._total = Usage()
        self._deadline = float("inf")
        self._spent = asyncio.Event()
        self._told = ""

    def begin(self, trials: Iterable[Mapping[str, Any]], seconds_left: float) -> None:
        """Takes over what was used before, and how long there is."""
        self._deadline = time.monotonic() + seconds_left
        for trial in trials:
            self.note(trial["id"], noted(trial))

    def note(self, trial_id: object, usage: Usage) -> None:
        """Notes all that a trial has used so far; with every example, so that it only adds the difference."""
        before, now = self.of(trial_id), replace(usage)
        self._used[str(trial_id)] = now
        self._total = self._total + now - before
        if self.reason:
            self._spent.set()

    def reached(self) -> None:
        """Notes that the program service has stopped an evaluation since the run has used all: it knows first."""
        limited = [name for name in _SUMMED if int(self.limits.get(name, 0))]
        nearest = max(limited, key=lambda name: float(getattr(self._total, name)) / int(self.limits[name]), default="")
        self._told = _LIMITED.get(nearest, "")
        self._spent.set()

    def of(self, trial_id: object) -> Usage:
        """Returns what a trial has used so far."""
        return self._used.get(str(trial_id), Usage())

    @property
    def total(self) -> Usage:
        """What all trials have used."""
        return self._total

    def shares(self) -> Iterator[tuple[str, float, float]]:
        """Yields the name of each limit, how much of it is used, and how much may be."""
        left = self._deadline - time.monotonic()
        return shares_of(self.limits, self._total.columns | {"seconds": int(self.limits.get("seconds", 0)) - left})

    @property
    def reason(self) -> str:
        """Which limit is reached, as the run's end reason has it; empty while none is."""
        late = _LIMITED["seconds"] if time.monotonic() >= self._deadline else ""
        return limit_reached(self.limits, self._total.columns | {"seconds": 0}) or self._told or late

    @property
    def limit(self) -> str:
        """Which limit is reached, in words; empty while none is."""
        return self.reason.removeprefix("END_REASON_").lower().replace("_", " ")

    async def until_spent(self) -> None:
        """Returns as soon as a limit is reached."""
        left = self._deadline - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if left == float("inf") else max(left, 0.0)):
                await self._spent.wait()


def _tokens(used: Evaluation | EvaluationResult) -> int:
    return used.input_tokens + used.output_tokens + used.metric_input_tokens + used.metric_output_tokens
