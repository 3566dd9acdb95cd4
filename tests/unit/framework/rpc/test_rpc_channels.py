"""Channels to peers: each finds out for itself who answers."""

import grpc
import pytest
from grpc import aio

from deploy.local.ports import free_port
from framework.rpc.channels import channel_to

METHOD = "/t.Shapes/UnaryUnary"


async def test_a_channel_knows_nothing_of_what_another_has_met(handler: object) -> None:
    """One that found nobody waits before it looks again; a new one to a server that is there by now does not."""

    async def behaviour(_: object) -> bytes:
        return b"done"

    address = f"127.0.0.1:{free_port()}"
    async with channel_to(address) as early, channel_to(address) as late:
        with pytest.raises(aio.AioRpcError) as refused:
            await early.unary_unary(METHOD)(b"")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        server = aio.server()
        server.add_generic_rpc_handlers((handler(behaviour),))  # type: ignore[operator]
        server.add_insecure_port(address)
        await server.start()
        assert await late.unary_unary(METHOD)(b"") == b"done"
        await server.stop(0)
