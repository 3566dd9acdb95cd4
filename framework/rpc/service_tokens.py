"""Tokens of a service: its own, and those that a grant lets it act with for a user."""

import time
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer

# Renewed this long before its end, so that no call carries a token that ends under way.
_EARLY = 0.3


@dataclass(frozen=True)
class _Held:
    token: str
    until: float


class ServiceTokens:
    """Asks auth for tokens and keeps them for most of their life.

    `stub` is `AuthInternalService`'s and `requests` its messages' module: the framework itself knows no service.
    """

    def __init__(self, stub: Any, requests: Any, service: str, secret: str) -> None:
        self._stub = stub
        self._requests = requests
        self._service = service
        self._secret = secret
        self._held: dict[str, _Held] = {}

    async def own(self) -> str:
        """Returns an identity token of this service; raises DependencyUnavailable while auth is down."""
        request = self._requests.IssueServiceTokenRequest(service=self._service, secret=self._secret)
        return await self._token("", self._stub.IssueServiceToken, request, None)

    async def exchange(self, grant_id: str) -> str:
        """Returns an identity token of a grant's user; raises GrantLost once the grant no longer holds."""
        held = self._fresh(grant_id)
        if held:
            return held
        request = self._requests.ExchangeGrantRequest(grant_id=grant_id)
        return await self._token(grant_id, self._stub.ExchangeGrant, request, as_caller(await self.own()))

    def forget(self, grant_id: str) -> None:
        """Drops a grant's token, so that the next use asks again."""
        self._held.pop(grant_id, None)

    def _fresh(self, key: str) -> str:
        held = self._held.get(key)
        return held.token if held and held.until > time.time() else ""

    async def _token(self, key: str, method: Any, request: Message, metadata: Any) -> str:
        fresh = self._fresh(key)
        if fresh:
            return fresh
        with from_peer("auth"):
            answer = await method(request, metadata=metadata, timeout=5.0)
        now = time.time()
        ends = answer.expires_at.seconds
        self._held[key] = _Held(answer.identity_token, now + (ends - now) * (1 - _EARLY))
        return str(answer.identity_token)
