"""All rows of some resources as of one position of the feed: what a projection begins with when it begins anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_pb2 import Event, Heartbeat

from framework.errors import NotFound
from framework.events.recent import last, stamped
from framework.events.sequencer import MOVE
from framework.resource import Registry, ResourceSpec
from framework.storage import codec_of
from framework.storage.database import Database, Transaction
from framework.structs import put

_PAGE = 500
_ALL = 2**31 - 1
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
Told = Callable[[ResourceSpec, Any], Mapping[str, Any]]


class Snapshots:
    """Takes stock of a service's resources; `told` says what of a message events may tell."""

    def __init__(self, database: Database, registry: Registry, told: Told) -> None:
        self.database = database
        self.told = told
        self._one = asyncio.Lock()  # each takes two connections of the pool: one at a time takes its second
        self.specs = {spec.singular: spec for spec in registry.specs.values()}

    async def frames(self, names: list[str]) -> AsyncIterator[pb.SnapshotResponse]:
        """Yields every row as an event and, last, the position that they are as of; raises NotFound for other nouns."""
        for name in names:
            if name not in self.specs:
                raise NotFound("resource_type", name)
        async with self._still() as (tx, position):
            for name in names:
                async for event in self._rows(tx, self.specs[name], position):
                    yield pb.SnapshotResponse(item=event)
            yield pb.SnapshotResponse(heartbeat=Heartbeat(sequence=position))

    @asynccontextmanager
    async def _still(self) -> AsyncIterator[tuple[Transaction, int]]:
        """Opens a transaction in which the rows are exactly what the feed up to its last event made of them.

        The outbox is numbered in the very snapshot that the rows are read in, while no sequencer can work; the rows are
        then read by a second transaction of that snapshot, so that sequencers wait for the numbering only.
        """
        async with AsyncExitStack() as rows_end:
            async with self._one, self.database.system() as numbering:
                rows = await rows_end.enter_async_context(self.database.system())
                await numbering.execute(_SNAPSHOT)
                # Before the snapshot is taken, which is at the first query.
                await numbering.execute("LOCK TABLE feed_head IN EXCLUSIVE MODE")
                shared = await numbering.fetch_one("SELECT pg_export_snapshot() AS name")
                assert shared is not None, "a function call has one row"
                await rows.execute(_SNAPSHOT)
                await rows.execute(f"SET TRANSACTION SNAPSHOT '{shared['name']}'")
                await rows.fetch("SELECT 1")
                await numbering.execute(MOVE, {"limit": _ALL})
                position = await last(numbering)
            yield rows, position

    async def _rows(self, tx: Transaction, spec: ResourceSpec, position: int) -> AsyncIterator[Event]:
        after = None
        while True:
            rows = await tx.fetch(
                f"""SELECT * FROM {spec.collection} WHERE %(after)s::uuid IS NULL OR id > %(after)s
                    ORDER BY id LIMIT %(limit)s""",
                {"after": after, "limit": _PAGE},
            )
            for row in rows:
                yield self._event(spec, row, position)
            if len(rows) < _PAGE:
                return
            after = rows[-1]["id"]

    def _event(self, spec: ResourceSpec, row: Mapping[str, Any], position: int) -> Event:
        event = Event(
            type=f"{spec.singular}.snapshot",
            sequence=position,
            organization_id=str(row.get("organization_id") or ""),
            resource_type=spec.singular,
            resource_id=str(row["id"]),
            outcome="OK",
        )
        put(self.told(spec, codec_of(spec).message(row)), event.data)
        return stamped(event, self.database.service)
