"""The feeds of other services, as `framework.events.tail.follow` wants them."""

from collections.abc import AsyncIterator
from typing import Any

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_feed_service_pb2_grpc import EventFeedServiceStub
from grpc import aio

from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer
from framework.rpc.service_tokens import ServiceTokens


class PeerFeed:
    """A service's feed, asked in this service's own name; raises Failures only."""

    def __init__(self, service: str, channel: aio.Channel, tokens: ServiceTokens) -> None:
        self.service = service
        self._stub: Any = EventFeedServiceStub(channel)
        self._tokens = tokens

    async def tail(self, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Opens the stream."""
        with from_peer(self.service):
            async for frame in self._stub.Tail(request, metadata=await self._own()):
                yield frame

    async def snapshot(self, request: pb.SnapshotRequest) -> AsyncIterator[pb.SnapshotResponse]:
        """Streams every row of some resources."""
        with from_peer(self.service):
            async for frame in self._stub.Snapshot(request, metadata=await self._own()):
                yield frame

    async def acknowledge(self, request: pb.AcknowledgeRequest) -> None:
        """Notes a position."""
        with from_peer(self.service):
            await self._stub.Acknowledge(request, metadata=await self._own(), timeout=5.0)

    async def _own(self) -> aio.Metadata:
        return as_caller(await self._tokens.own())
