"""A hand-made service of all four shapes behind the real interceptors, and an issuer of identity tokens."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc import aio

from framework.rpc.channels import channel_to
from framework.rpc.identity import Verifier
from framework.rpc.interceptors import interceptors
from framework.rpc.open_streams import OpenStreams

Behaviour = Callable[[Any], Awaitable[bytes]]


class Issuer:
    """Signs tokens as auth does, and counts how often its keys were fetched."""

    def __init__(self) -> None:
        self.fetches = 0
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        """Signs with a new key from now on."""
        self.kid = kid
        self.keys[kid] = Ed25519PrivateKey.generate()

    async def fetch(self) -> Sequence[Mapping[str, Any]]:
        """Returns the public keys."""
        self.fetches += 1
        made = {k: json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())) for k, key in self.keys.items()}
        return [{**jwk, "kid": kid, "alg": "EdDSA"} for kid, jwk in made.items()]

    def token(self, **changed: Any) -> str:
        """Returns a user's identity token, with claims changed; a claim of None is left out."""
        now = int(time.time())
        claims = {"iss": "ashgrove", "aud": "internal", "sub": str(uuid4()), "kind": "user", "org": str(uuid4())}
        claims |= {"role": "user", "cred": "c1", "iat": now, "exp": now + 60, **changed}
        kept = {k: v for k, v in claims.items() if v is not None}
        return jwt.encode(kept, self.keys[self.kid], "EdDSA", headers={"kid": self.kid})


class Served:
    """A running server and a channel to it."""

    def __init__(self, address: str, channel: aio.Channel) -> None:
        self.address, self.channel = address, channel

    async def call(self, shape: str = "UnaryUnary", **given: Any) -> bytes:
        """Calls the method of a shape once and returns its only answer."""
        if shape == "UnaryUnary":
            return bytes(await self.channel.unary_unary("/t.Shapes/UnaryUnary")(b"", **given))
        if shape == "UnaryStream":
            return b"".join([b async for b in self.channel.unary_stream("/t.Shapes/UnaryStream")(b"", **given)])
        if shape == "StreamUnary":
            return bytes(await self.channel.stream_unary("/t.Shapes/StreamUnary")(iter([b""]), **given))
        stream = self.channel.stream_stream("/t.Shapes/StreamStream")(iter([b""]), **given)
        return b"".join([b async for b in stream])


def _handler(behaviour: Behaviour) -> grpc.GenericRpcHandler:
    async def single(_: Any, context: Any) -> bytes:
        return await behaviour(context)

    async def streaming(_: Any, context: Any) -> AsyncIterator[bytes]:
        yield await behaviour(context)

    return grpc.method_handlers_generic_handler(
        "t.Shapes",
        {
            "UnaryUnary": grpc.unary_unary_rpc_method_handler(single),
            "UnaryStream": grpc.unary_stream_rpc_method_handler(streaming),
            "StreamUnary": grpc.stream_unary_rpc_method_handler(single),
            "StreamStream": grpc.stream_stream_rpc_method_handler(streaming),
        },
    )


@asynccontextmanager
async def _serving(
    behaviour: Behaviour, verifier: Verifier | None = None, streams: OpenStreams | None = None
) -> AsyncIterator[Served]:
    server = aio.server(interceptors=interceptors(verifier, streams))
    server.add_generic_rpc_handlers((_handler(behaviour),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with channel_to(address) as channel:
            yield Served(address, channel)
    finally:
        await server.stop(0)


@pytest.fixture
def serving() -> Any:
    """What serves a behaviour in all four shapes, to be entered with `async with`."""
    return _serving


@pytest.fixture
def handler() -> Any:
    """Makes the generic handler of a behaviour."""
    return _handler


@pytest.fixture
def issuer() -> Issuer:
    """An issuer of identity tokens."""
    return Issuer()
