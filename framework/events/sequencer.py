"""Numbers committed outbox rows into the feed: one sequencer per service, without gaps, at least once."""

import asyncio
import logging
from contextlib import suppress

from framework.errors import Failure
from framework.storage.database import Database

_log = logging.getLogger(__name__)

# Within one resource the order holds because its writers wait for each other's row lock before they reach the outbox.
_MOVE = """
WITH moved AS (
    DELETE FROM outbox WHERE position IN (SELECT position FROM outbox ORDER BY position LIMIT %(limit)s)
    RETURNING position, organization_id, event, recorded_at
), numbered AS (
    SELECT (SELECT coalesce(max(sequence), 0) FROM feed) + row_number() OVER (ORDER BY position) AS sequence,
           organization_id, event, recorded_at
    FROM moved
)
INSERT INTO feed (sequence, organization_id, event, recorded_at) SELECT * FROM numbered
"""


class Sequencer:
    """Moves the outbox into the feed; any number may run, a transaction lock lets one at a time work."""

    def __init__(self, database: Database, *, every: float = 0.1) -> None:
        self.database = database
        self.every = every
        self.moved = asyncio.Event()
        """Set whenever events were numbered; whoever waits clears it."""

    async def run(self) -> None:
        """Works until cancelled; a database that is away is waited for."""
        while True:
            with suppress(Failure):
                while await self.step():
                    pass
            await asyncio.sleep(self.every)

    async def step(self, limit: int = 500) -> int:
        """Numbers up to `limit` events and returns how many."""
        async with self.database.system() as tx:
            got = await tx.fetch_one(
                "SELECT pg_try_advisory_xact_lock(hashtext(current_schema || ':sequencer')) AS mine"
            )
            count = await tx.execute(_MOVE, {"limit": limit}) if got and got["mine"] else 0
        if count:
            self.moved.set()
        return count
