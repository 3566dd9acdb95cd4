"""The transport of checked clients: URL before, address while connecting, redirects and size of the answer after."""

import re
import ssl
from collections.abc import AsyncIterator

import httpcore
import httpx

from framework.egress.connecting import FIELD, CheckedBackend
from framework.egress.judging import EgressRefused, Rules, port_of

UNSOUND = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)


class CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on a pool whose connections are checked."""

    def __init__(
        self,
        rules: Rules,
        backend: CheckedBackend,
        context: ssl.SSLContext,
        limits: httpx.Limits | None,
        max_response_bytes: int,
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        self._rules = rules
        self._most = max_response_bytes
        limits = limits or _LIMITS
        # httpx has no word for the network beneath; connections that are reused stay at the checked address.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request whose URL is allowed and returns the answer, bounded; raises EgressRefused."""
        self._rules.check(request.url, FIELD)
        _check_headers(request)
        # What a few bytes unfold to would be beyond counting.
        request.headers["accept-encoding"] = "identity"
        try:
            response = await super().handle_async_request(request)
        except ssl.SSLError as error:  # httpcore lets the one of an alert that meets a write through
            raise httpx.ConnectError("TLS failed", request=request) from error
        try:
            _check_redirect(request, response)
            _check_encoding(response)
        except BaseException:
            await response.aclose()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._most, request)
        return response


def _check_headers(request: httpx.Request) -> None:
    # h11 would refuse such a header too, and quote it: a secret, as like as not.
    if any(UNSOUND.search(value) for _, value in request.headers.raw):
        raise httpx.LocalProtocolError("a header holds a line end or another control character", request=request)


def _check_redirect(request: httpx.Request, response: httpx.Response) -> None:
    if response.has_redirect_location:
        refuse_elsewhere(request.url, response.headers["location"])


def refuse_elsewhere(here: httpx.URL, location: str) -> None:
    """Raises EgressRefused for a redirect to another scheme, host or port."""
    try:
        goal = here.join(location)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        goal = httpx.URL()
    if (goal.scheme, goal.raw_host, port_of(goal)) != (here.scheme, here.raw_host, port_of(here)):
        raise EgressRefused(FIELD, "answers with a redirect to another host: name the host that answers itself")


def _check_encoding(response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise httpx.RemoteProtocolError("the answer is compressed, though it was asked not to be")


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most: int, request: httpx.Request) -> None:
        self._stream = stream
        self._most = most
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > self._most:
                told = f"the answer is longer than {self._most} bytes"
                raise httpx.RemoteProtocolError(told, request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
