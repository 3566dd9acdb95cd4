"""Who calls, from the identity token: verified locally with auth's public keys, never by asking about the caller."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import jwt
from grpc import aio

from framework.call import Actor, ActorKind, Role
from framework.errors import DependencyUnavailable, Unauthenticated

AUDIENCE = "internal"
ISSUER = "ashgrove"
LEEWAY_SECONDS = 5
KEYS_SECONDS = 60.0
_REMEMBERED = 10_000
_log = logging.getLogger("ashgrove.rpc")
FetchKeys = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


class Verifier:
    """Verifies identity tokens; a token seen before costs a lookup, an unknown key one fetch a second at most.

    Keys are fetched anew every minute, so that one that auth gave up holds no longer here either; while auth does not
    answer, those that are known hold.
    """

    def __init__(self, fetch_keys: FetchKeys) -> None:
        self._fetch = fetch_keys
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetching = asyncio.Lock()
        self._fetched = float("-inf")
        self._answered = True
        self._answered_at = float("-inf")
        self._renewing: asyncio.Task[None] | None = None
        self._known: OrderedDict[str, tuple[float, Actor]] = OrderedDict()

    async def actor(self, token: str) -> Actor:
        """Returns the actor that a token names.

        Raises Unauthenticated for any token that does not hold, DependencyUnavailable when auth gives no keys.
        """
        known = self._known.get(token)
        if known and known[0] > time.time():
            return known[1]
        claims = await self._claims(token)
        actor = actor_from(claims)
        self._known[token] = (float(claims["exp"]), actor)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return actor

    def ends(self, token: str) -> float:
        """Returns until when a token holds that was verified lately, in `time.time()` seconds."""
        known = self._known.get(token)
        return known[0] if known else time.time()

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            required: Any = {"require": ["exp", "iat", "sub", "kind"]}
            return jwt.decode(
                token, key, ["EdDSA"], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY_SECONDS, options=required
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated from error

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            async with self._fetching:  # calls that come while keys are fetched wait for them, and are not refused
                await self._refetch(kid)
        elif self._old and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.create_task(self._refetch(kid))  # nobody waits: what is known holds meanwhile
        if kid in self._keys:
            return self._keys[kid]
        if not self._answered:  # not knowing a key says nothing about the token while auth is down
            raise DependencyUnavailable("the auth service does not answer; try again later", service="auth")
        raise Unauthenticated

    @property
    def _old(self) -> bool:
        return time.monotonic() - self._answered_at > KEYS_SECONDS

    async def _refetch(self, kid: str) -> None:
        if time.monotonic() - self._fetched < 1.0 or (kid in self._keys and not self._old):
            return
        self._answered = False
        try:
            self._keys = {str(k["kid"]): jwt.PyJWK(dict(k), "EdDSA") for k in await self._fetch()}
            self._answered, self._answered_at = True, time.monotonic()
        except aio.AioRpcError as error:
            _log.warning("auth gives no keys: %s", error.code())
        finally:
            self._fetched = time.monotonic()


def actor_from(claims: Mapping[str, Any]) -> Actor:
    """Returns the actor of verified claims; raises Unauthenticated when they make no sense."""
    try:
        return Actor(
            kind=ActorKind(claims["kind"]),
            id=str(claims["sub"]),
            organization_id=UUID(claims["org"]) if claims.get("org") else None,
            role=Role(claims["role"]) if claims.get("role") else None,
            credential_id=str(claims.get("cred", "")),
            delegate=str(claims.get("act", "")),
            operator=bool(claims.get("op", False)),
            guest=bool(claims.get("guest", False)),
            actions=frozenset(claims["actions"]) if claims.get("actions") is not None else None,
            label=str(claims.get("label", "")),
            ends_at=float(claims.get("ends", math.inf)),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Unauthenticated from error


def bearer(header: str) -> str:
    """Returns the token of an `authorization` header; empty when there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
