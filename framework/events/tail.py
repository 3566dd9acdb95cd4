"""Follows another service's feed with a stored cursor: each event is handled once, in order, lag is the only cost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_pb2 import Event

from framework.errors import Failure
from framework.storage.database import Database, Transaction

Handle = Callable[[Transaction, Event], Awaitable[None]]
Tail = Callable[[pb.TailRequest], AsyncIterator[pb.TailResponse]]
_log = logging.getLogger(__name__)


async def follow(tail: Tail, database: Database, consumer: str, handle: Handle) -> None:
    """Pulls a feed for ever; `handle` and the cursor commit together, so that no event is lost and none counts twice.

    `tail` opens the stream; it is opened again after any failure, a second later.
    """
    while True:
        try:
            async for frame in tail(pb.TailRequest(from_sequence=await position(database, consumer))):
                if frame.WhichOneof("frame") == "item":
                    await _handled(database, consumer, frame.item, handle)
        except Failure as failure:
            _log.warning("the feed of %s broke off: %s", consumer, failure)
        await asyncio.sleep(1.0)


async def position(database: Database, consumer: str) -> int:
    """Returns the sequence of the last event that the consumer handled; 0 before the first."""
    async with database.system() as tx:
        row = await tx.fetch_one("SELECT sequence FROM cursors WHERE consumer = %(c)s", {"c": consumer})
    return int(row["sequence"]) if row else 0


async def _handled(database: Database, consumer: str, event: Event, handle: Handle) -> None:
    async with database.system() as tx:
        # The condition makes a second delivery, or a second follower, change nothing.
        fresh = await tx.execute(
            """INSERT INTO cursors (consumer, sequence) VALUES (%(consumer)s, %(sequence)s)
               ON CONFLICT (consumer) DO UPDATE SET sequence = excluded.sequence
               WHERE cursors.sequence < excluded.sequence""",
            {"consumer": consumer, "sequence": event.sequence},
        )
        if fresh:
            await handle(tx, event)
