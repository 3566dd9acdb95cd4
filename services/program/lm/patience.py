"""How often a model that does not answer is asked: each call by itself, so that nothing before it is done twice."""

import math
from asyncio import sleep
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from services.program.connectors.faults import ModelUnavailable
from services.program.metering.work import meant_as

T = TypeVar("T")
_longest: ContextVar[float] = ContextVar("ashgrove_longest_wait", default=math.inf)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Has no call inside the block wait longer at once for a model that is away; for one that asks for it, it does."""
    token = _longest.set(seconds)
    try:
        yield
    finally:
        _longest.reset(token)


@dataclass(frozen=True)
class Patience:
    """How many tries a call has in all, and how long it waits before the second: twice that before each further one."""

    attempts: int
    backoff_seconds: float

    async def asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Returns what is answered; raises ModelUnavailable when the last try was in vain. Every try is paid for."""
        for attempt in range(1, self.attempts + 1):
            try:
                with meant_as("RETRY" if attempt > 1 else ""):
                    return await ask()
            except ModelUnavailable as fault:
                pause = self._pause(fault, attempt)
                impatient = pause > _longest.get() and fault.error_class != "RATE_LIMIT"
                if attempt == self.attempts or impatient:
                    raise
                await sleep(pause)
        raise AssertionError("it is asked at least once")

    def _pause(self, fault: ModelUnavailable, attempt: int) -> float:
        """Returns how long to wait: as long as the endpoint asks for, where it does."""
        if fault.retry_after is not None:
            return max(fault.retry_after, self.backoff_seconds)
        return float(self.backoff_seconds * 2 ** (attempt - 1))
