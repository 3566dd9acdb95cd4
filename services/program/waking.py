"""How workers and waiters wake each other: a notification channel, hint topics, and looking without them."""

import asyncio
from collections import deque

WORK = "program_work"
"""The channel that wakes workers when there is something to do; its word is the table."""
EVALUATIONS, EXECUTIONS, PROBES = "evaluations", "executions", "connector_probes"

LOOK_SECONDS = 0.1
"""How often a waiter looks by itself: hints are best effort."""


def topic(kind: str, identifier: object) -> str:
    """Returns the topic of the hints about one piece of work."""
    return f"{kind}:{identifier}"


class Bell:
    """Wakes one of those who wait, or the next who will: if all looked for one row, they would hold it up."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._rung = False

    def ring(self) -> None:
        """Wakes the one who has waited longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._rung = True

    async def heard(self) -> None:
        """Returns at a ring, or at once when there was one that nobody heard."""
        if self._rung:
            self._rung = False
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting
