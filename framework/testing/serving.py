"""A service in this process behind a real port: the same interceptors, the same tokens, the same wire as in earnest."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message
from grpc import aio

from framework.call import ANONYMOUS, Actor
from framework.resource import MethodSpec, Registry
from framework.rpc.identity import FetchKeys, Verifier
from framework.rpc.interceptors import interceptors
from framework.rpc.server import OPTIONS
from framework.rpc.servicer import handlers_of
from framework.testing.refusals import Refused
from framework.testing.tokens import Issuer
from framework.testing.workbench import Workbench

_SECONDS = 100.0


class Caller:
    """Somebody who calls a served service; every refusal raises Refused."""

    def __init__(self, channel: aio.Channel, registry: Registry, actor: Actor, token: str) -> None:
        self.actor = actor
        self._channel = channel
        self._registry = registry
        self._metadata = aio.Metadata(*([("authorization", f"Bearer {token}")] if token else []))

    async def do(self, rpc: str, request: Message | None = None, **fields: Any) -> Any:
        """Does a unary RPC with a request, or with one of these fields."""
        method = self._method(rpc)
        call = self._channel.unary_unary(
            method.path,
            request_serializer=method.request_class.SerializeToString,
            response_deserializer=method.response_class.FromString,
        )
        try:
            return await call(request or method.request_class(**fields), metadata=self._metadata, timeout=_SECONDS)
        except aio.AioRpcError as error:
            raise Refused.of(error) from None

    async def stream(self, rpc: str, request: Message | None = None, **fields: Any) -> AsyncIterator[Any]:
        """Yields the frames of a streaming RPC; whoever leaves early ends the call."""
        method = self._method(rpc)
        call = self._channel.unary_stream(
            method.path,
            request_serializer=method.request_class.SerializeToString,
            response_deserializer=method.response_class.FromString,
        )(request or method.request_class(**fields), metadata=self._metadata)
        try:
            async for frame in call:
                yield frame
        except aio.AioRpcError as error:
            raise Refused.of(error) from None
        finally:
            call.cancel()

    def _method(self, rpc: str) -> MethodSpec:
        return self._registry.method(rpc)


class Served:
    """A service that listens, and whoever calls it."""

    def __init__(self, bench: Workbench, port: int, channel: aio.Channel, issuer: Issuer) -> None:
        self.bench = bench
        self.port = port
        self.issuer = issuer
        self._channel = channel

    def as_actor(self, actor: Actor = ANONYMOUS, *, token: str | None = None) -> Caller:
        """Returns a caller with an actor's token, nobody's without one; `token` is sent in its place."""
        given = self.issuer.token(actor) if token is None else token
        return Caller(self._channel, self.bench.registry, actor, given)

    def as_organization(self) -> "Served":
        """Returns the same service seen from another, new organization."""
        return Served(self.bench.elsewhere(), self.port, self._channel, self.issuer)


@asynccontextmanager
async def served(
    bench: Workbench, keys: FetchKeys | None = None, servicers: Sequence[Callable[[aio.Server], None]] = ()
) -> AsyncIterator[Served]:
    """Serves a workbench's engine on a port of loopback for the length of a block; `keys` may stand for its own."""
    issuer = Issuer()
    server = aio.server(interceptors=interceptors(Verifier(keys or issuer.keys)), options=OPTIONS)
    server.add_generic_rpc_handlers(tuple(handlers_of(bench.engine)))
    for add in servicers:
        add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(bench, port, channel, issuer)
    finally:
        await server.stop(None)
