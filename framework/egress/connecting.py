"""Connects to the very addresses that were checked: a name that changes its mind afterwards changes nothing."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore

from framework.egress.addresses import parsed
from framework.egress.judging import Rules, unreachable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
FIELD = "url"


async def looked_up(host: str, port: int) -> list[str]:
    """Returns the addresses that the system's resolver has for a name."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves once, checks every address, connects to one of these; TLS goes on with the name."""

    def __init__(self, rules: Rules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects within the timeout; raises EgressRefused when one address of the name may not be called."""
        until = time.monotonic() + timeout if timeout is not None else None
        addresses = await self._checked(host, port, timeout)
        for left in range(len(addresses), 0, -1):
            share = None if until is None else max(0.001, (until - time.monotonic()) / left)
            try:
                return await self._network.connect_tcp(addresses[-left], port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise AssertionError("a name that may be called has an address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Refuses: a socket of this machine is nobody's outside."""
        raise unreachable(FIELD)

    async def sleep(self, seconds: float) -> None:
        """Waits between attempts."""
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int, timeout: float | None) -> list[str]:
        try:
            return await addresses_of(self._rules, self._resolve, host, port, timeout)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the host's name was not looked up in time") from error
        except OSError as error:
            raise httpcore.ConnectError("the host's name cannot be looked up now") from error


async def addresses_of(rules: Rules, resolve: Resolve, host: str, port: int, timeout: float | None) -> list[str]:
    """Returns the addresses of a host; raises EgressRefused when it has none, or one that may not be called.

    Raises TimeoutError or another OSError while its name cannot be looked up.
    """
    try:
        async with asyncio.timeout(timeout):
            texts = await resolve(host, port)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise
        raise unreachable(FIELD) from None
    addresses = [address for text in texts if (address := parsed(text))]
    if len(addresses) != len(texts) or not rules.leads(host, port, addresses):
        raise unreachable(FIELD)
    return [str(address) for address in addresses]
