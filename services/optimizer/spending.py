"""What a run has used of what it may, as its worker knows it: noted with every example, not only with every trial."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ashgrove.program.v1.execution_pb2 import Evaluation, EvaluationResult

_LIMITED = ("metric_calls", "tokens", "cost_micros")
_REASONS = {"cost_micros": "COST"}


@dataclass
class Usage:
    """What one trial has used."""

    metric_calls: int = 0
    tokens: int = 0
    cost_micros: int = 0

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
        self.limits = {name: int((limits or {}).get(name, 0)) for name in _LIMITED}
        self._used: dict[str, Usage] = {}
        self._deadline = float("inf")
        self._spent = asyncio.Event()

    def begin(self, trials: Iterable[Mapping[str, Any]], seconds_left: float) -> None:
        """Takes over what was used before, and how long there is."""
        self._deadline = time.monotonic() + seconds_left
        for trial in trials:
            self.note(trial["id"], noted(trial))

    def note(self, trial_id: object, usage: Usage) -> None:
        """Notes all that a trial has used so far."""
        self._used[str(trial_id)] = usage
        if self.reason:
            self._spent.set()

    def of(self, trial_id: object) -> Usage:
        """Returns what a trial has used so far."""
        return self._used.get(str(trial_id), Usage())

    @property
    def reason(self) -> str:
        """Which limit is reached, as the run's end reason has it; empty while none is."""
        for name, most in self.limits.items():
            if most and sum(getattr(each, name) for each in self._used.values()) >= most:
                return f"END_REASON_{_REASONS.get(name, name.upper())}"
        return "END_REASON_SECONDS" if time.monotonic() >= self._deadline else ""

    async def until_spent(self) -> None:
        """Returns as soon as a limit is reached."""
        left = self._deadline - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if left == float("inf") else max(left, 0.0)):
                await self._spent.wait()


def _tokens(used: Evaluation | EvaluationResult) -> int:
    return used.input_tokens + used.output_tokens + used.metric_input_tokens + used.metric_output_tokens
