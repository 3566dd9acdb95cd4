"""A service's own feed, as a consumer in the same process wants it."""

from collections.abc import AsyncIterator
from typing import NoReturn

from ashgrove.event.v1 import event_feed_service_pb2 as pb

from framework.call import Context, service_actor
from framework.events.feed import Feed
from framework.identifiers import new_id


class OwnFeed:
    """The feed of this very service, without a call; it is never made anew from rows."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    async def tail(self, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Yields the feed's events as they come."""
        async for frame in self._feed.tail(self._own("Tail"), request):
            yield frame

    def snapshot(self, request: pb.SnapshotRequest) -> NoReturn:
        """Is for those that keep another service's rows."""
        raise AssertionError("nothing that follows its own feed is made anew from it")

    async def acknowledge(self, request: pb.AcknowledgeRequest) -> None:
        """Notes a position, so that nothing before it is kept for this consumer."""
        await self._feed.acknowledge(self._own("Acknowledge"), request.consumer, request.sequence)

    def _own(self, action: str) -> Context:
        return Context(service_actor(self._feed.database.service), action, str(new_id()), float("inf"))
