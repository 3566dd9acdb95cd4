"""When a process that ended is started again: soon, later each time it ends young, and nobody waits for another."""

import time
from collections.abc import Callable

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 60.0
"""A process that lived this long had begun well: its next end is again a first one."""


class Restarts:
    """The deaths of each process, and when it is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started: dict[str, float] = {}
        self._deaths: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def started(self, name: str) -> None:
        """Notes that a process was started now."""
        self._started[name] = self._clock()
        self._due.pop(name, None)

    def ended(self, name: str) -> bool:
        """Notes that a process is dead; False when that was known."""
        if name in self._due:
            return False
        now = self._clock()
        steady = now - self._started.get(name, now) >= STEADY_SECONDS
        deaths = 0 if steady else self._deaths.get(name, 0)
        self._deaths[name] = deaths + 1
        self._due[name] = now + _BACKOFF[min(deaths, len(_BACKOFF) - 1)]
        return True

    def is_due(self, name: str) -> bool:
        """Tells whether a dead process may be started again."""
        return name in self._due and self._clock() >= self._due[name]
