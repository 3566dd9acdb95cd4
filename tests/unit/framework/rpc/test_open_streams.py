"""Streams are bounded per caller and per organization; single calls are not, and what ends makes room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc import aio

from framework.rpc.channels import as_caller
from framework.rpc.identity import Verifier
from framework.rpc.open_streams import OpenStreams

ONE, OTHER, HOUSE = str(uuid4()), str(uuid4()), str(uuid4())


class Streams:
    """A server whose streams stay open until their callers leave."""

    def __init__(self, served: Any, issuer: Any) -> None:
        self.served, self.issuer = served, issuer
        self.begun = asyncio.Queue[None]()

    async def behaviour(self, _: Any) -> bytes:
        self.begun.put_nowait(None)
        await asyncio.Event().wait()
        return b""

    @asynccontextmanager
    async def open(self, **claims: Any) -> AsyncIterator[None]:
        """Holds a stream of a caller open."""
        stream = self.served.channel.unary_stream("/t.Shapes/UnaryStream")(
            b"", metadata=as_caller(self.issuer.token(**claims))
        )
        reading = asyncio.ensure_future(stream.read())
        begun = asyncio.ensure_future(self.begun.get())
        await asyncio.wait({reading, begun}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            begun.cancel()
            reading.result()
        try:
            yield
        finally:
            stream.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading


async def refused(streams: Streams, **claims: Any) -> str:
    """Returns what the refusal of one stream more says."""
    with pytest.raises(aio.AioRpcError) as caught:
        async with streams.open(**claims):
            pass
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return caught.value.details() or ""


async def test_a_caller_and_an_organization_have_their_bounds(serving: Any, issuer: Any) -> None:
    """Another caller has room until the organization has none; another organization always; a closed one makes room."""
    streams = Streams(None, issuer)
    bounds = OpenStreams(per_caller=2, per_organization=3)
    async with serving(streams.behaviour, Verifier(issuer.fetch), bounds) as served, AsyncExitStack() as opened:
        streams.served = served
        first = AsyncExitStack()
        await first.enter_async_context(streams.open(sub=ONE, org=HOUSE))
        await opened.enter_async_context(streams.open(sub=ONE, org=HOUSE))
        assert "of this caller" in await refused(streams, sub=ONE, org=HOUSE)
        await opened.enter_async_context(streams.open(sub=OTHER, org=HOUSE))
        assert "of this organization" in await refused(streams, sub=OTHER, org=HOUSE)
        await opened.enter_async_context(streams.open())
        await first.aclose()
        while bounds._open[HOUSE] > 2:  # noqa: ASYNC110 - the server notices on its own
            await asyncio.sleep(0.01)
        async with streams.open(sub=ONE, org=HOUSE):
            pass


async def test_single_calls_are_not_counted(serving: Any, issuer: Any) -> None:
    """Nor are the platform's own services."""

    async def behaviour(_: Any) -> bytes:
        return b"done"

    async with serving(behaviour, Verifier(issuer.fetch), OpenStreams(0, 0)) as served:
        assert await served.call(metadata=as_caller(issuer.token())) == b"done"
        service = as_caller(issuer.token(kind="service", sub="audit", role=None))
        assert await served.call("UnaryStream", metadata=service) == b"done"
        with pytest.raises(aio.AioRpcError):
            await served.call("UnaryStream", metadata=as_caller(issuer.token()))
