"""Numbers committed outbox rows into the feed: one sequencer per service, without gaps, at least once."""

import asyncio
from contextlib import suppress

from framework.errors import Failure
from framework.events.hints import Hints
from framework.events.recent import topic
from framework.failpoints import Failpoint
from framework.storage.database import Database

NUMBERING = Failpoint("feed.numbering", "events are numbered in a transaction that is not committed")
NUMBERED = Failpoint("feed.numbered", "events are numbered and committed, nobody has been told")

# Within one resource the order holds because its writers wait for each other's row lock before they reach the outbox.
MOVE = """
WITH moved AS (
    DELETE FROM outbox WHERE position IN (SELECT position FROM outbox ORDER BY position LIMIT %(limit)s)
    RETURNING position, organization_id, event, recorded_at
), counted AS (
    UPDATE feed_head SET last_sequence = last_sequence + (SELECT count(*) FROM moved)
    WHERE EXISTS (SELECT FROM moved)
    RETURNING last_sequence - (SELECT count(*) FROM moved) AS before
)
INSERT INTO feed (numbered_on, sequence, organization_id, event, recorded_at)
SELECT (now() AT TIME ZONE 'utc')::date, before + row_number() OVER (ORDER BY position),
       organization_id, event, recorded_at
FROM moved, counted
"""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext(current_schema || ':sequencer')) AS mine"


class Sequencer:
    """Moves the outbox into the feed; any number may run, a transaction lock lets one at a time work."""

    def __init__(self, database: Database, hints: Hints | None = None, *, every: float = 0.1) -> None:
        self.database = database
        self.hints = hints
        self.every = every

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
            got = await tx.fetch_one(_LOCK)
            count = await tx.execute(MOVE, {"limit": limit}) if got and got["mine"] else 0
            if count:
                NUMBERING()
        if count:
            NUMBERED()
        if count and self.hints:
            self.hints.wake(topic(self.database.service))
            if self.hints.alive:  # other processes look by themselves, and Redis must not hold the feed up
                await self.hints.publish(topic(self.database.service))
        return count
