"""How long a feed is kept: its days are opened ahead, and dropped once they are old and every consumer has passed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from framework.errors import Failure
from framework.storage.database import Database, Transaction

KEPT_DAYS = 7
_AHEAD_DAYS = 2
_EVERY_SECONDS = 3600.0
_log = logging.getLogger(__name__)
_PASSED = """
INSERT INTO feed_consumers (consumer, sequence) VALUES (%(consumer)s, %(sequence)s)
ON CONFLICT (consumer) DO UPDATE
SET sequence = greatest(feed_consumers.sequence, excluded.sequence), seen_at = now()
"""


class Retention:
    """Keeps the days of one feed; any number may run."""

    def __init__(self, database: Database, days: int = KEPT_DAYS) -> None:
        self.database = database
        self.days = days

    async def run(self) -> None:
        """Works until cancelled; nothing is dropped within the first hour, so that consumers can say who they are."""
        while True:
            await self._do(self.open)
            await asyncio.sleep(_EVERY_SECONDS)
            await self._do(self.drop)

    async def _do(self, act: Callable[[], Awaitable[Any]]) -> None:
        try:
            await act()
        except Failure as failure:
            _log.warning("the feed's days could not be kept; trying again in an hour: %s", failure)

    async def open(self) -> None:
        """Opens the partitions of today and the next days; what comes on a day without one is kept all the same."""
        async with self.database.system() as tx:
            await tx.fetch("SELECT feed_open(%(days)s)", {"days": _AHEAD_DAYS})

    async def drop(self) -> int:
        """Drops the days that are old enough and that every consumer has passed, and returns how many."""
        async with self.database.system() as tx:
            row = await tx.fetch_one("SELECT feed_drop(%(days)s) AS gone", {"days": self.days})
        gone = int(row["gone"]) if row else 0
        if gone:
            _log.info("%d days of the feed were dropped", gone)
        return gone


async def passed(tx: Transaction, consumer: str, sequence: int) -> None:
    """Notes that a consumer has dealt with everything up to a sequence; going back is ignored."""
    await tx.execute(_PASSED, {"consumer": consumer, "sequence": sequence})


async def forget_consumer(database: Database, consumer: str) -> bool:
    """Lets go of a consumer that is no more, so that nothing is kept for it; False when nobody has that name."""
    async with database.system() as tx:
        gone = await tx.execute("DELETE FROM feed_consumers WHERE consumer = %(consumer)s", {"consumer": consumer})
    return gone == 1
