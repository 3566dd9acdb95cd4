"""A workbench's feed as other services pull it, without a wire between."""

import math
from collections.abc import AsyncIterator

from ashgrove.event.v1 import event_feed_service_pb2 as pb

from framework.call import Context, service_actor
from framework.engine.writing import told_of
from framework.events.feed import Feed
from framework.events.snapshot import Snapshots
from framework.testing.workbench import Workbench


class LocalFeed:
    """The feed of a workbench, asked as a service; a `Source` for `framework.events.tail`."""

    def __init__(self, bench: Workbench, service: str) -> None:
        self._feed = Feed(bench.database, bench.engine.recent)
        self._snapshots = Snapshots(bench.database, bench.registry, told_of)
        self._context = Context(service_actor(service), "Tail", "", math.inf)

    def tail(self, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Opens the stream."""
        return self._feed.tail(self._context, request)

    def snapshot(self, request: pb.SnapshotRequest) -> AsyncIterator[pb.SnapshotResponse]:
        """Streams every row of some resources."""
        return self._snapshots.frames(list(request.resource_types))

    async def acknowledge(self, request: pb.AcknowledgeRequest) -> None:
        """Notes a position."""
        await self._feed.acknowledge(self._context, request.consumer, request.sequence)
