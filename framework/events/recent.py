"""The end of a service's feed, read once for all who follow it in a process; what came before is in the table."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from ashgrove.event.v1.event_pb2 import Event

from framework.errors import Failure, PositionGone
from framework.events.hints import LOOK_SECONDS, Hints
from framework.plain import made
from framework.storage.database import Database, Transaction

SPEC_VERSION = "1.0"
BATCH = 500
_KEPT = 1000
_READ = """
SELECT h.oldest_sequence, f.sequence, f.event FROM feed_head h LEFT JOIN LATERAL (
    SELECT sequence, event FROM feed
    WHERE sequence > %(after)s AND sequence <= h.last_sequence
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s)
    ORDER BY sequence LIMIT %(limit)s
) AS f ON true
"""


def topic(service: str) -> str:
    """Returns the topic of the hints about a service's feed."""
    return f"feed:{service}"


class _Waiting:
    """Somebody who waits for what comes after a position: of some kinds of resources of an organization, or of any."""

    def __init__(self, position: int, kinds: Collection[str] | None, organization: UUID | None) -> None:
        self.passed = position
        """The position up to which nothing came that it waits for."""
        self.woken = asyncio.Event()
        self._kinds = kinds
        self._organization = str(organization or "")

    def wants(self, told: Collection[tuple[str, str]]) -> bool:
        """Says whether it waits for one of these: kinds of resources, each with its organization."""
        return self._kinds is None or any((kind, self._organization) in told for kind in self._kinds)


class Recent:
    """The latest events of a feed in memory: one look at the table, however many read; nobody has a queue."""

    def __init__(self, database: Database, hints: Hints) -> None:
        self.database = database
        self.hints = hints
        self.latest = 0
        """The sequence up to which events can be read here."""
        self._begun = False
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._moved = asyncio.Event()
        self._waiting: set[_Waiting] = set()

    async def run(self) -> None:
        """Looks until cancelled: at once when something was numbered here or a hint came, else four times a second."""
        with self.hints.bound(topic(self.database.service), self._moved):
            while True:
                self._moved.clear()
                try:
                    while await self._look() == BATCH:
                        pass
                except PositionGone:  # it slept for days
                    self._begun = False
                except Failure:  # a database that is away is asked again
                    pass
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._moved.wait()

    async def _look(self) -> int:
        """Takes in what is new and returns how much that is; the first look only finds the end."""
        async with self.database.system() as tx:
            if not self._begun:
                self.latest, self._begun = await last(tx), True
                self._events.clear()
                self.stir()
                return 0
            events = await read(tx, self.latest, service=self.database.service)
        self._events.extend(events)
        if events:
            self.latest = events[-1].sequence
            self._tell(_told(events))
        return len(events)

    def _tell(self, told: Collection[tuple[str, str]]) -> None:
        for waiting in self._waiting:
            if waiting.wants(told):
                waiting.woken.set()
            elif not waiting.woken.is_set():
                waiting.passed = self.latest

    def watchers(self) -> int:
        """Returns how many wait for what comes next."""
        return len(self._waiting)

    def stir(self) -> None:
        """Wakes everybody who waits, so that they look whether what they go by still holds."""
        for waiting in self._waiting:
            waiting.woken.set()

    async def beyond(
        self,
        position: int,
        timeout: float,
        kinds: Collection[str] | None = None,
        organization: UUID | None = None,
    ) -> int:
        """Returns once there may be an event after a position, at a stir, or after the timeout.

        With `kinds` only events about such resources of the organization are meant; whoever waits sleeps through the
        others. What is returned is the position up to which there is nothing to read.
        """
        waiting = _Waiting(position, kinds, organization)
        if self.latest > position:
            held = self._held(position)
            if held is None or waiting.wants(_told(held)):
                return position
            waiting.passed = self.latest
        self._waiting.add(waiting)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await waiting.woken.wait()
        finally:
            self._waiting.discard(waiting)
        return waiting.passed

    def _held(self, position: int) -> list[Event] | None:
        """Returns the events after a position from memory; None when they reach further back than that."""
        if not self._events or self._events[0].sequence > position + 1:
            return None
        # Sequences have no gap, so the end of what is held begins where the reader stands.
        first = len(self._events) - max(0, self.latest - position)
        return [self._events[i] for i in range(first, len(self._events))]

    async def after(self, position: int, organization: UUID | None = None) -> tuple[list[Event], int]:
        """Returns a batch of the events after a position, an organization's or all, and the position that it reaches.

        Raises PositionGone when what came after that position is kept no more.
        """
        latest, held = self.latest, self._held(position)
        if held is not None:
            return [e for e in held if _of(e, organization)], max(latest, position)
        async with self.database.system() as tx:
            found = await read(tx, position, organization, service=self.database.service)
        # A full batch reaches its last event; one that is not full, all there was when it was asked for.
        return found, found[-1].sequence if len(found) == BATCH else max(latest, position, *(e.sequence for e in found))


def _told(events: Iterable[Event]) -> set[tuple[str, str]]:
    return {(event.resource_type, event.organization_id) for event in events}


def _of(event: Event, organization: UUID | None) -> bool:
    return organization is None or event.organization_id == str(organization)


async def last(tx: Transaction) -> int:
    """Returns the sequence of the latest event; 0 before the first."""
    row = await tx.fetch_one("SELECT last_sequence FROM feed_head")
    return int(row["last_sequence"]) if row else 0


async def read(tx: Transaction, position: int, organization: UUID | None = None, *, service: str) -> list[Event]:
    """Returns the next events after a position, a batch at most; raises PositionGone when they are kept no more."""
    rows = await tx.fetch(_READ, {"after": position, "organization": organization, "limit": BATCH})
    if rows and position + 1 < rows[0]["oldest_sequence"]:
        raise PositionGone(rows[0]["oldest_sequence"])
    return [_event(row, service) for row in rows if row["sequence"] is not None]


def _event(row: Mapping[str, Any], service: str) -> Event:
    # A newer process of this service may tell more than this one knows.
    event = made(Event, row["event"])
    event.sequence = row["sequence"]
    return stamped(event, service)


def stamped(event: Event, service: str) -> Event:
    """Fills in what is the same for all of a service's events, and therefore not stored with each."""
    event.spec_version, event.source = SPEC_VERSION, f"/ashgrove/{service}"
    event.schema_version = event.schema_version or 1
    return event
