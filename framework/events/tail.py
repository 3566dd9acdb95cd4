"""Follows another service's feed with a stored cursor: each event is handled once, in order, lag is the only cost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_pb2 import Event

from framework.errors import Failure, PositionGone
from framework.failpoints import Failpoint
from framework.storage.database import Database, Transaction
from framework.tasks import stopped

Handle = Callable[[Transaction, Event], Awaitable[None]]
_ACKNOWLEDGE_SECONDS = 2.0
_log = logging.getLogger(__name__)
PULLED = Failpoint("feed.pulled", "a consumer has received an event and not begun with it")
MOVED = Failpoint("feed.moved", "a consumer has moved its cursor in a transaction, and not handled the event")
HANDLED = Failpoint("feed.handled", "a consumer has handled an event; neither that nor its cursor is committed")
PASSED = Failpoint("feed.passed", "a consumer has committed an event with its cursor, the feed's owner does not know")


class Source(Protocol):
    """Another service's feed; every method raises Failures only."""

    def tail(self, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Opens the stream."""

    def snapshot(self, request: pb.SnapshotRequest) -> AsyncIterator[pb.SnapshotResponse]:
        """Streams every row of some resources."""

    async def acknowledge(self, request: pb.AcknowledgeRequest) -> None:
        """Notes a position."""


@dataclass(frozen=True)
class Consumer:
    """Who follows a feed: its name, what it does with an event, and how it begins anew.

    `resources` are the nouns of the owner's resources that all it keeps can be made from again, by handling their
    snapshot after `clear`; without them nothing can be made again, as with an audit trail.
    """

    name: str
    source: Source
    handle: Handle
    resources: Sequence[str] = ()
    clear: Callable[[Transaction], Awaitable[None]] | None = None


async def follow(consumer: Consumer, database: Database) -> None:
    """Pulls a feed for ever; `handle` and the cursor commit together, so that no event is lost and none counts twice.

    The stream is opened again after any failure, a second later. A feed that has dropped what comes next is begun anew.
    """
    while True:
        try:
            await _pull(consumer, database)
        except PositionGone as gone:
            await _begin_anew(consumer, database, gone)
        except Failure as failure:
            _log.warning("the feed of %s broke off: %s", consumer.name, failure)
        await asyncio.sleep(1.0)


async def _pull(consumer: Consumer, database: Database) -> None:
    reached = _Reached(await position(database, consumer.name))
    acknowledging = asyncio.create_task(_acknowledge(consumer, reached))
    try:
        async for frame in consumer.source.tail(pb.TailRequest(from_sequence=reached.sequence, consumer=consumer.name)):
            if frame.WhichOneof("frame") == "item":
                PULLED()
                await _handled(database, consumer, frame.item)
                PASSED()
                reached.sequence = frame.item.sequence
    finally:
        await stopped([acknowledging])


@dataclass
class _Reached:
    sequence: int


async def _acknowledge(consumer: Consumer, reached: _Reached) -> None:
    """Tells the owner how far the consumer is, on a clock of its own: the last event of a burst has none behind it."""
    told = -1  # what an earlier process of ours had told is not known
    while True:
        await asyncio.sleep(_ACKNOWLEDGE_SECONDS)
        if (now := reached.sequence) != told:
            # What fails is told again with the next one: the owner only keeps events longer.
            with suppress(Failure):
                await consumer.source.acknowledge(pb.AcknowledgeRequest(consumer=consumer.name, sequence=now))
                told = now


async def _begin_anew(consumer: Consumer, database: Database, gone: PositionGone) -> None:
    try:
        if consumer.resources:
            count = await rebuild(consumer, database)
            _log.warning("%s had lost its place and was rebuilt from %d rows", consumer.name, count)
        else:
            _log.error("%s goes on with event %d: what came before it is lost", consumer.name, gone.oldest_sequence)
            async with database.system() as tx:
                await _move(tx, consumer.name, gone.oldest_sequence - 1)
    except Failure as failure:
        _log.warning("%s could not be rebuilt: %s", consumer.name, failure)


async def rebuild(consumer: Consumer, database: Database) -> int:
    """Makes all that a consumer keeps anew from its owner's rows, and returns from how many.

    One transaction: readers see what was there, then what is right, and nothing in between.
    """
    assert consumer.clear is not None, f"{consumer.name} cannot be made again"
    count = 0
    async with database.system() as tx:
        # The follower waits here with its next event, and finds it handled or not by the cursor that it meets.
        await tx.execute("INSERT INTO cursors VALUES (%(c)s, 0) ON CONFLICT DO NOTHING", {"c": consumer.name})
        await tx.fetch("SELECT FROM cursors WHERE consumer = %(c)s FOR UPDATE", {"c": consumer.name})
        await consumer.clear(tx)
        async for frame in consumer.source.snapshot(pb.SnapshotRequest(resource_types=consumer.resources)):
            if frame.WhichOneof("frame") == "item":
                count += 1
                await consumer.handle(tx, frame.item)
            else:
                await _move(tx, consumer.name, frame.heartbeat.sequence)
    return count


async def _move(tx: Transaction, consumer: str, sequence: int) -> None:
    await tx.execute(
        """INSERT INTO cursors (consumer, sequence) VALUES (%(consumer)s, %(sequence)s)
           ON CONFLICT (consumer) DO UPDATE SET sequence = excluded.sequence""",
        {"consumer": consumer, "sequence": sequence},
    )


async def position(database: Database, consumer: str) -> int:
    """Returns the sequence of the last event that the consumer handled; 0 before the first."""
    async with database.system() as tx:
        row = await tx.fetch_one("SELECT sequence FROM cursors WHERE consumer = %(c)s", {"c": consumer})
    return int(row["sequence"]) if row else 0


async def _handled(database: Database, consumer: Consumer, event: Event) -> None:
    async with database.system() as tx:
        # The condition makes a second delivery, or a second follower, change nothing.
        fresh = await tx.execute(
            """INSERT INTO cursors (consumer, sequence) VALUES (%(consumer)s, %(sequence)s)
               ON CONFLICT (consumer) DO UPDATE SET sequence = excluded.sequence
               WHERE cursors.sequence < excluded.sequence""",
            {"consumer": consumer.name, "sequence": event.sequence},
        )
        if fresh:
            MOVED()
            await consumer.handle(tx, event)
            HANDLED()
