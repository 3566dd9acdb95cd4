"""Serves a service's numbered feed to the platform's other services."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1 import event_feed_service_pb2_grpc
from ashgrove.event.v1.event_pb2 import Heartbeat
from google.protobuf.json_format import ParseDict

from framework.call import ActorKind, Context
from framework.errors import NotPermitted
from framework.events.sequencer import Sequencer
from framework.storage.database import Database

HEARTBEAT_SECONDS = 15.0
_BATCH = 500


class Feed:
    """The feed of one service: replay after a position, then the tail."""

    def __init__(self, database: Database, sequencer: Sequencer) -> None:
        self.database = database
        self.sequencer = sequencer

    async def tail(self, context: Context, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Yields events after `from_sequence`, and a heartbeat when nothing happened for 15 seconds."""
        if context.actor.kind is not ActorKind.SERVICE:
            raise NotPermitted("the event feed is for the platform's services", action="Tail")
        position, spoken = request.from_sequence, time.monotonic()
        while True:
            for frame in await self._after(position):
                position, spoken = frame.item.sequence, time.monotonic()
                yield frame
            if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                spoken = time.monotonic()
                yield pb.TailResponse(heartbeat=Heartbeat(sequence=position))
            await self._something()

    async def _after(self, position: int) -> list[pb.TailResponse]:
        async with self.database.system() as tx:
            rows = await tx.fetch(
                "SELECT sequence, event FROM feed WHERE sequence > %(position)s ORDER BY sequence LIMIT %(limit)s",
                {"position": position, "limit": _BATCH},
            )
        return [_frame(row) for row in rows]

    async def _something(self) -> None:
        # The sequencer of this process wakes us; another process's is noticed at the next look.
        self.sequencer.moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.25):
                await self.sequencer.moved.wait()


def _frame(row: dict[str, Any]) -> pb.TailResponse:
    frame = pb.TailResponse()
    ParseDict(row["event"], frame.item)
    frame.item.sequence = row["sequence"]
    return frame


class FeedServicer(event_feed_service_pb2_grpc.EventFeedServiceServicer):
    """Hands gRPC's calls to the feed."""

    def __init__(self, feed: Feed, context_of: Any) -> None:
        self.feed = feed
        self.context_of = context_of

    async def Tail(self, request: pb.TailRequest, context: Any) -> AsyncIterator[pb.TailResponse]:
        """Streams the feed."""
        async for frame in self.feed.tail(self.context_of(), request):
            yield frame
