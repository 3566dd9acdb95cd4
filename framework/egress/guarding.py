"""What keeps an outlet within the rules: URLs before, addresses while it connects, redirects after."""

import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from framework.egress.connecting import FIELD, Resolve, addresses_of
from framework.egress.judging import Rules, port_of, unreachable
from framework.egress.transport import refuse_elsewhere

LOOK_UP_SECONDS = 10.0
KEPT_SECONDS = 4.0
"""How long a connection is kept that nobody uses: many servers hang up after five, and a call that met that is lost."""


class Guard:
    """The rules of one outlet."""

    def __init__(self, rules: Rules, resolve: Resolve, context: Callable[[], ssl.SSLContext]) -> None:
        self._rules = rules
        self._resolve = resolve
        self._context = context
        # The rules never change, and few URLs are called very often.
        self.url = lru_cache(256)(self._url)

    def connector(self, connections: int) -> aiohttp.TCPConnector:
        """Returns connections to checked addresses only."""
        resolver = _Checked(self._rules, self._resolve)
        return aiohttp.TCPConnector(
            limit=connections,
            ssl=self._context(),
            resolver=resolver,
            use_dns_cache=False,
            keepalive_timeout=KEPT_SECONDS,
        )

    def check_answer(self, url: yarl.URL, answer: aiohttp.ClientResponse) -> None:
        """Raises EgressRefused for a redirect to another host."""
        if answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers:
            refuse_elsewhere(httpx.URL(str(url)), answer.headers["location"])

    def _url(self, url: str) -> yarl.URL:
        """Returns a URL as it will be called; raises EgressRefused."""
        parts = self._rules.check(url, FIELD)
        made = yarl.URL(str(parts), encoded=True)
        # What was checked is what is called, however the two read a URL.
        if (made.scheme, made.raw_host, made.port) != (parts.scheme, parts.raw_host.decode(), port_of(parts)):
            raise unreachable(FIELD)
        return made


class _Checked(AbstractResolver):
    """Looks a name up once for each connection, which then goes to one of the addresses that were checked."""

    def __init__(self, rules: Rules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Returns the addresses; raises EgressRefused when one of them may not be called."""
        found = await addresses_of(self._rules, self._resolve, host, port, LOOK_UP_SECONDS)
        return [_address(host, port, each) for each in found]

    async def close(self) -> None:
        """Does nothing: nothing is held."""


def _address(host: str, port: int, address: str) -> Any:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=numeric)
