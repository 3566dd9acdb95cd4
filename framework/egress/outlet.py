"""A lean HTTP client for many small calls at once: connections kept, whole answers or lines, bounded.

With fifty calls under way httpx's pool asks every connection about itself for each call, and takes six milliseconds of
the processor for it; this takes a quarter of one.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any

import aiohttp
import httpx
import yarl
from aiohttp.helpers import get_env_proxy_for_url

from framework.egress.calls import Broken, Call, NotAnsweredInTime, NotReached, NotReachedInTime, Said
from framework.egress.guarding import KEPT_SECONDS, Guard
from framework.egress.policy import RESPONSE_BYTES
from framework.egress.sending import SentAtOnce
from framework.egress.transport import UNSOUND

WHOLE_BYTES = 256 * 1024
"""The longest body that is written as one."""
_OURS = {"user-agent": "ashgrove", "accept": "*/*", "accept-encoding": "identity"}


class Outlet:
    """A client; a guarded one raises EgressRefused where a call would leave the rules.

    It follows no redirect and keeps no cookie; the longest answer is that of checked clients.
    """

    def __init__(self, connections: int = 100, guard: Guard | None = None) -> None:
        self._connections = connections
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Outlet":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def open(self) -> None:
        """Makes what every call needs, so that the first one does not wait for it."""
        self._opened()

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def call(self, call: Call) -> Said:
        """Makes a call and returns the whole answer; raises an OutletError when none came."""
        with _worded():
            async with self._answered(call) as answer:
                content = b"".join([piece async for piece in _pieces(answer)])
                return Said(answer.status, answer.headers, content)

    @asynccontextmanager
    async def lines(self, call: Call) -> AsyncIterator[tuple[Said, AsyncIterator[str]]]:
        """Makes a call and yields the head of its answer, and its lines as they come."""
        with _worded():
            async with self._answered(call) as answer:
                yield Said(answer.status, answer.headers, b""), _lines(answer)

    def _answered(self, call: Call) -> Any:
        headers = {**_OURS, **call.headers}
        if any(UNSOUND.search(value.encode(errors="replace")) for value in headers.values()):
            raise Broken("a header holds a line end or another control character")  # and does not quote it: a secret
        return self._asked(call, headers)

    @asynccontextmanager
    async def _asked(self, call: Call, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self._guard.url(call.url) if self._guard else yarl.URL(call.url)
        proxy, credentials = (None, None) if self._guard else _proxy(url)
        asked = self._opened().request(
            "GET" if call.body is None else "POST",
            url,
            data=_body(call.body),
            headers=headers,
            timeout=aiohttp.ClientTimeout(None, None, call.read_seconds, call.connect_seconds),
            allow_redirects=False,
            proxy=proxy,
            proxy_auth=credentials,
        )
        async with asked as answer:
            if self._guard:
                self._guard.check_answer(url, answer)
            if answer.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                raise Broken("the answer is compressed, though it was asked not to be")
            yield answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            guard = self._guard
            connector = guard.connector(self._connections) if guard else _connector(self._connections)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=SentAtOnce,
            )
        return self._session


@lru_cache(256)
def _proxy(url: yarl.URL) -> tuple[yarl.URL | None, aiohttp.BasicAuth | None]:
    """Returns the environment's proxy for an operator's own endpoint; aiohttp would look for it at each call anew."""
    try:
        return get_env_proxy_for_url(url)
    except LookupError:
        return None, None


def _body(content: bytes | None) -> bytes | BytesIO | None:
    """Returns a body as it is written: a long one in pieces, so that others get their turn between two."""
    return content if content is None or len(content) <= WHOLE_BYTES else BytesIO(content)


def _connector(connections: int) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=connections, ssl=httpx.create_ssl_context(), keepalive_timeout=KEPT_SECONDS)


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    seen = 0
    async for piece in answer.content.iter_any():
        seen += len(piece)
        if seen > RESPONSE_BYTES:
            raise Broken(f"the answer is longer than {RESPONSE_BYTES} bytes")
        yield piece


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = b""
    with _worded():
        async for piece in _pieces(answer):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r").decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


@contextmanager
def _worded() -> Iterator[None]:
    """Has what goes wrong told in our words."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise NotReachedInTime("nobody let us connect in time") from error
    except aiohttp.ServerTimeoutError as error:
        raise NotAnsweredInTime("nothing came in time") from error
    except aiohttp.ClientConnectorError as error:
        raise NotReached("nobody is there") from error
    except (aiohttp.ClientError, ConnectionError, ssl.SSLError) as error:
        raise Broken("the connection broke") from error
