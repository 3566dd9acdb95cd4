"""A circuit breaker: a model that keeps failing is left alone for a while, then asked by one call alone."""

import time
from collections.abc import Callable

from services.program.connectors.faults import LeftAlone, ModelUnavailable

FAILURES = 5
COOL_SECONDS = 10.0


class Breaker:
    """The state of one connector in this worker: closed, open for a while, or half open for one trial."""

    def __init__(
        self, failures: int = FAILURES, cool_seconds: float = COOL_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._cool = cool_seconds
        self._clock = clock
        self._failed = 0
        self._last = ModelUnavailable()
        self._until = 0.0
        self._trying = False

    def enter(self, name: str) -> None:
        """Raises LeftAlone while the model is left alone, or another call is trying it."""
        if self._failed < self._most:
            return
        left = self._until - self._clock()
        if left > 0 or self._trying:
            fault = LeftAlone(name, self._failed, self._last)
            fault.retry_after = max(left, 0.1)
            raise fault
        self._trying = True

    def succeeded(self) -> None:
        """Closes it: the model answers."""
        self._failed, self._trying = 0, False

    def failed(self, fault: ModelUnavailable) -> None:
        """Counts a failure; enough of them in a row, or a failed trial, open it."""
        self._failed += 1
        self._last = fault
        self._trying = False
        self._until = self._clock() + self._cool

    def left(self) -> None:
        """Ends a call that says nothing about the model, such as a cancelled one."""
        self._trying = False
