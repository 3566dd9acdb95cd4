"""How workers and waiters wake each other: a notification channel, hint topics, and looking without them."""

import asyncio
from collections import deque

WORK = "program_work"
"""The channel that wakes workers when there is something to do; its word is the table, and how much of it."""
EVALUATIONS, EXECUTIONS, PROBES = "evaluations", "executions", "connector_probes"

LEASE_SECONDS = 8.0
"""How long work is a worker's unless it says that it goes on."""
LOOK_SECONDS = 0.1
"""How often a waiter looks by itself: hints are best effort."""


def topic(kind: str, identifier: object) -> str:
    """Returns the topic of the hints about one piece of work."""
    return f"{kind}:{identifier}"


def halted(identifier: object) -> str:
    """Returns the topic of the hint that an evaluation goes on no further: it has ended, or is paused."""
    return topic("halted evaluation", identifier)


def left(table: str, count: int = 1) -> str:
    """Returns the word that so much work was left in a table."""
    return f"{table} {count}"


class Bell:
    """Wakes as many of those who wait as there is work, or the next who will: if all looked, they would hold it up."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._rung = 0

    def ring(self, count: int | None = None) -> None:
        """Wakes those who have waited longest; all of them unless told how many."""
        for _ in range(self._most if count is None else min(count, self._most)):
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._rung = min(self._rung + 1, self._most)

    async def heard(self) -> None:
        """Returns at a ring, or at once when there was one that nobody heard."""
        if self._rung:
            self._rung -= 1
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting
