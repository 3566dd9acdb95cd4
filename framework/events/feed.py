"""Serves a service's numbered feed to the platform's other services."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1 import event_feed_service_pb2_grpc
from ashgrove.event.v1.event_pb2 import Heartbeat

from framework.call import ActorKind, Context
from framework.errors import NotPermitted
from framework.events.recent import Recent, last
from framework.events.retention import passed
from framework.events.snapshot import Snapshots
from framework.storage.database import Database

HEARTBEAT_SECONDS = 15.0


class Feed:
    """The feed of one service: replay after a position, then the tail."""

    def __init__(self, database: Database, recent: Recent) -> None:
        self.database = database
        self.recent = recent

    async def tail(self, context: Context, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Yields events after `from_sequence`, and a heartbeat when nothing happened for 15 seconds.

        Raises PositionGone where what came after that sequence is kept no more.
        """
        _only_services(context, "Tail")
        position, spoken = request.from_sequence, time.monotonic()
        if request.live:
            position = await self._end()
            yield pb.TailResponse(heartbeat=Heartbeat(sequence=position))
        elif request.consumer:
            await self.acknowledge(context, request.consumer, position)
        while True:
            events, position = await self.recent.after(position)
            for event in events:
                spoken = time.monotonic()
                yield pb.TailResponse(item=event)
            if time.monotonic() - spoken >= HEARTBEAT_SECONDS:
                spoken = time.monotonic()
                yield pb.TailResponse(heartbeat=Heartbeat(sequence=position))
            await self.recent.beyond(position, max(0.0, spoken + HEARTBEAT_SECONDS - time.monotonic()))

    async def acknowledge(self, context: Context, consumer: str, sequence: int) -> None:
        """Notes how far one of the calling service's consumers has come."""
        _only_services(context, "Acknowledge")
        async with self.database.system() as tx:
            await passed(tx, f"{context.actor.id}/{consumer}", sequence)

    async def _end(self) -> int:
        async with self.database.system() as tx:
            return await last(tx)


def _only_services(context: Context, action: str) -> None:
    if context.actor.kind is not ActorKind.SERVICE:
        raise NotPermitted("the event feed is for the platform's services", action=action)


class FeedServicer(event_feed_service_pb2_grpc.EventFeedServiceServicer):
    """Hands gRPC's calls to the feed."""

    def __init__(self, feed: Feed, snapshots: Snapshots, context_of: Callable[[], Context]) -> None:
        self.feed = feed
        self.snapshots = snapshots
        self.context_of = context_of

    async def Tail(self, request: pb.TailRequest, context: Any) -> AsyncIterator[pb.TailResponse]:
        """Streams the feed."""
        async for frame in self.feed.tail(self.context_of(), request):
            yield frame

    async def Acknowledge(self, request: pb.AcknowledgeRequest, context: Any) -> pb.AcknowledgeResponse:
        """Notes a consumer's position."""
        await self.feed.acknowledge(self.context_of(), request.consumer, request.sequence)
        return pb.AcknowledgeResponse()

    async def Snapshot(self, request: pb.SnapshotRequest, context: Any) -> AsyncIterator[pb.SnapshotResponse]:
        """Streams the rows of some resources as of one position."""
        _only_services(self.context_of(), "Snapshot")
        async for frame in self.snapshots.frames(list(request.resource_types)):
            yield frame
