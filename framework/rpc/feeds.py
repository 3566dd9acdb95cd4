"""The feeds of other services, as `framework.events.tail.follow` wants them."""

from collections.abc import AsyncIterator

from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_feed_service_pb2_grpc import EventFeedServiceStub
from grpc import aio

from framework.events.tail import Tail
from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer
from framework.rpc.service_tokens import ServiceTokens


def feed_of(service: str, channel: aio.Channel, tokens: ServiceTokens) -> Tail:
    """Returns what opens a service's feed in this service's own name; its stream raises Failures only."""
    stub = EventFeedServiceStub(channel)

    async def tail(request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        with from_peer(service):
            async for frame in stub.Tail(request, metadata=as_caller(await tokens.own())):
                yield frame

    return tail
