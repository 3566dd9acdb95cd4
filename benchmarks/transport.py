"""What protection costs: a call by mutual TLS, a request through a checked client, a secret by its reference.

Caller, server and everything else in one process, rounds interleaved with the same without protection; on loopback,
so there is no network to hide behind.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import httpx
import uvloop
from grpc import aio
from rich.console import Console

from deploy.local.settings import StackSettings
from deploy.local.tls_files import TlsFiles
from framework.egress import EgressPolicy
from framework.identifiers import new_id
from framework.rpc.channels import channel_to
from framework.rpc.server import Process, _listen
from framework.secrets import SecretReferences
from framework.settings import OutsideSettings, TlsSettings

ROUNDS = 5
CALLS = 800
AT_ONCE = 16
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
Once = Callable[[], Awaitable[Any]]


def main() -> None:
    """Prints the ratios."""
    with tempfile.TemporaryDirectory() as home:
        uvloop.run(_measured(Path(home)))


async def _measured(home: Path) -> None:
    console = Console()
    async with _called(None) as plain, _called(_shown(home)) as secured:
        without, by_tls = await _interleaved(plain, secured)
    console.print(f"a unary call of 100 bytes by mutual TLS: {by_tls:.0f}/s, {by_tls / without:.2f} of a plain one")
    async with _asked() as (bare, checked):
        without, guarded = await _interleaved(bare, checked)
    console.print(f"a request through a checked client: {guarded:.0f}/s, {guarded / without:.2f} of httpx's own")
    console.print(f"a secret by its reference, read from its file: {_resolved(home) * 1e6:.0f} µs")


def _shown(home: Path) -> TlsSettings:
    files = TlsFiles(StackSettings(home=home))
    files.make()
    told = files.environment("program")
    return TlsSettings.model_validate({name.removeprefix("ASHGROVE_").lower(): file for name, file in told.items()})


@asynccontextmanager
async def _called(tls: TlsSettings | None) -> AsyncIterator[Once]:
    """Yields a call of an echo that listens as a process does."""

    async def echo(request: bytes, _: Any) -> bytes:
        return request

    server = aio.server()
    method = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", method),))
    port = _listen(server, Process("program", "127.0.0.1", 0, tls=tls))
    await server.start()
    async with channel_to(f"127.0.0.1:{port}", tls, "program") as channel:
        call = channel.unary_unary("/bench.Echo/Echo")
        yield lambda: call(b"x" * 100)
    await server.stop(None)


@asynccontextmanager
async def _asked() -> AsyncIterator[tuple[Once, Once]]:
    """Yields a request by httpx's own client and the same by a checked one, both with their connections kept."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(_ANSWER)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    policy = EgressPolicy(OutsideSettings(egress_allow=("127.0.0.1",)))
    async with httpx.AsyncClient(trust_env=False) as own, policy.client() as checked:
        yield lambda: own.get(url), lambda: checked.get(url)
    server.close()


async def _interleaved(one: Once, other: Once) -> tuple[float, float]:
    """Returns how many of each are done in a second: the medians of the rounds, after one that does not count."""
    await _rate(one), await _rate(other)
    rounds = [(await _rate(one), await _rate(other)) for _ in range(ROUNDS)]
    return median(first for first, _ in rounds), median(second for _, second in rounds)


async def _rate(once: Once) -> float:
    async def some() -> None:
        for _ in range(CALLS // AT_ONCE):
            await once()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return CALLS / (time.perf_counter() - began)


def _resolved(home: Path) -> float:
    organization = new_id()
    (home / "models").mkdir()
    (home / "models" / "key").write_text("sk-of-the-benchmark")
    (home / "grants.json").write_text(json.dumps({str(organization): ["models"]}))
    references = SecretReferences(OutsideSettings(tenant_secrets=home, secret_grants=home / "grants.json"))
    began = time.perf_counter()
    for _ in range(CALLS):
        references.resolve(organization, "secret://models/key")
    return (time.perf_counter() - began) / CALLS


if __name__ == "__main__":
    main()
