"""What the gateway's gate costs on a running stack: its share of a call, a revoked key's last moments, a flood."""

import asyncio
import json
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import uvloop
import yaml
from ashgrove.auth.v1 import api_key_pb2
from ashgrove.client import Client
from ashgrove.programs import field
from ashgrove.settings import ClientSettings
from rich.table import Table

from deploy.local.ports import free_port, is_free
from deploy.local.state import State
from services.auth import keys

CALLS = 2_000
REVOKED = 100
FLOOD_SECONDS = 8.0
CALLERS = 4
FLOODERS = 16


class Caller:
    """One kept connection that asks for one path, again and again."""

    def __init__(self, address: str, path: str, token: str) -> None:
        self._address = address
        lines = (f"GET {path} HTTP/1.1", f"host: {address}", f"authorization: Bearer {token}", "", "")
        self._asked = "\r\n".join(lines).encode()

    async def __aenter__(self) -> "Caller":
        host, _, port = self._address.partition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def call(self) -> int:
        """Returns the status of one call."""
        self._writer.write(self._asked)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.partition(b":")[2]))
        return int(head.split(b" ", 2)[1])

    async def until(self, status: int) -> None:
        """Calls until that is the answer."""
        while True:
            if await self.call() == status:
                return
            await asyncio.sleep(0.002)


async def measured_gates(settings: ClientSettings, gateway: str) -> Table:
    """Returns what was measured against the stack of this home."""
    table = Table("what", "seen", "beside it")
    with Client(settings.gateway, api_key=settings.key()) as client:
        inputs, outputs = [field("text")], [field("language", choices=["fr", "sv"])]
        name = f"bench {uuid.uuid4().hex[:8]}"
        program = client.programs.create(name, instructions="", inputs=inputs, outputs=outputs)
        path = f"/v1/programs/{program.id}"
        table.add_row(*await _added(settings, gateway, path))
        table.add_row(*await _revoked(client, gateway, path))
        table.add_row(*await _flooded(settings, gateway, path))
    return table


async def _added(settings: ClientSettings, gateway: str, path: str) -> tuple[str, str, str]:
    """The same call through two Envoys: one asks nobody, and is given the identity token that the other one makes."""
    token = _identity(settings)
    with _without_gate(settings.home) as bare:
        times: dict[str, list[float]] = {"with": [], "without": []}
        async with Caller(gateway, path, settings.key()) as gated, Caller(bare, path, token) as free:
            for name, caller in (("with", gated), ("without", free)) * 3:
                if await caller.call() != 200:
                    raise RuntimeError(f"the call {name} a gate is refused")
                times[name] += await _times(caller, CALLS // 3)
    (a50, a99), (b50, b99) = (_percentiles(times[name]) for name in ("with", "without"))
    beside = f"without it p50 {b50:.2f} ms, p99 {b99:.2f} ms: {a50 / b50:.2f} and {a99 / b99:.2f} of that"
    return "ext_authz adds to a call through Envoy", f"p50 {a50 - b50:.2f} ms, p99 {a99 - b99:.2f} ms", beside


async def _revoked(client: Client, gateway: str, path: str) -> tuple[str, str, str]:
    """From the answer to a revocation to the first refusal, at a call every few milliseconds."""
    delays = []
    for _ in range(REVOKED):
        made: Any = client.keys.create(api_key_pb2.ApiKey(name=f"bench {uuid.uuid4().hex[:8]}"))
        async with Caller(gateway, path, made.secret) as caller:
            await caller.until(200)
            await asyncio.to_thread(client.keys.revoke, made.api_key.id)
            began = time.perf_counter()
            await caller.until(401)
            delays.append((time.perf_counter() - began) * 1000)
    p50, p99 = _percentiles(delays)
    return "a revoked key still works", f"p50 {p50:.0f} ms, p99 {p99:.0f} ms", f"{REVOKED} keys; the bound is 1,000 ms"


async def _flooded(settings: ClientSettings, gateway: str, path: str) -> tuple[str, str, str]:
    """Others' calls while wrong keys come as fast as another process sends them, and while right ones come as fast."""
    quiet = await _paced(settings, gateway, path)
    async with _flood(gateway, path, "wrong") as refused:
        flooded = await _paced(settings, gateway, path)
    async with _flood(gateway, path, settings.key()) as served:
        busy = await _paced(settings, gateway, path)
    (q50, q99), (f50, f99), (b50, b99) = map(_percentiles, (quiet, flooded, busy))
    seen = f"others' p99 {f99:.1f} ms: {f99 / q99:.1f} of the {q99:.1f} ms without (p50 {f50:.1f} of {q50:.1f})"
    beside = f"{refused[0]:,.0f} refusals/s; beside {served[0]:,.0f} right calls/s p99 is {b99:.1f} ms (p50 {b50:.1f})"
    return "beside a flood of wrong keys", seen, beside


async def _paced(settings: ClientSettings, gateway: str, path: str) -> list[float]:
    """Returns the times of calls at 25 a second each: what people notice, not what a machine can bear."""
    until = time.perf_counter() + FLOOD_SECONDS
    times: list[float] = []

    async def one() -> None:
        async with Caller(gateway, path, settings.key()) as caller:
            while time.perf_counter() < until:
                times.extend(await _times(caller, 1))
                await asyncio.sleep(0.04)

    await asyncio.gather(*(one() for _ in range(CALLERS)))
    return times


@asynccontextmanager
async def _flood(gateway: str, path: str, key: str) -> AsyncIterator[list[float]]:
    """Floods from another process for a block; yields where the rate will be."""
    command = [sys.executable, "-m", "benchmarks.gates", gateway, path, key]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    rate: list[float] = []
    await asyncio.sleep(1.5)  # until it has started
    yield rate
    told, _ = await process.communicate(b"end")
    rate.append(json.loads(told))


async def _flooding(gateway: str, path: str, key: str) -> float:
    """Calls until standard input ends; returns how many answers came a second."""
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    began, count = time.perf_counter(), 0

    async def one() -> None:
        nonlocal count
        async with Caller(gateway, path, keys.new_key() if key == "wrong" else key) as caller:
            while not ended.done():
                await caller.call()
                count += 1

    await asyncio.gather(*(one() for _ in range(FLOODERS)))
    return count / (time.perf_counter() - began)


@contextmanager
def _without_gate(home: Path) -> Iterator[str]:
    """Runs the stack's own gateway once more, without the filter that asks who calls."""
    configuration = yaml.safe_load((home / "envoy.yaml").read_text())
    (listener,) = [one for one in configuration["static_resources"]["listeners"] if one["name"] == "main"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [one for one in manager["http_filters"] if not one["name"].endswith("ext_authz")]
    for route in manager["route_config"]["virtual_hosts"]:
        for one in [route, *route["routes"]]:
            one.get("typed_per_filter_config", {}).pop("envoy.filters.http.ext_authz", None)
    port, admin = free_port(), free_port()
    listener["address"]["socket_address"]["port_value"] = port
    configuration["static_resources"]["listeners"] = [listener]
    configuration["admin"]["address"]["socket_address"]["port_value"] = admin
    file = home / "envoy-without-gate.yaml"
    file.write_text(yaml.safe_dump(configuration))
    (running,) = [p.pid for p in State(home).read() if p.name == "envoy"]
    command = [
        psutil.Process(running).cmdline()[0],
        "-c",
        str(file),
        "--concurrency",
        "2",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command)
    try:
        while is_free(port):
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
        file.unlink()


def _identity(settings: ClientSettings) -> str:
    """Returns what the gate would make of the administrator's key, for as long as this takes."""
    from framework.call import Actor, ActorKind, Role
    from services.auth.tokens import read_tokens

    with Client(settings.gateway, api_key=settings.key()) as client:
        (user, *_) = client.users.list()
        (organization, *_) = client.organizations.list()
    tokens = read_tokens(settings.home / "secrets", access_seconds=900, identity_seconds=900)
    return tokens.issue_identity(Actor(ActorKind.USER, user.id, uuid.UUID(organization.id), Role.ADMIN)).text


async def _times(caller: Caller, calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        await caller.call()
        times.append((time.perf_counter() - began) * 1000)
    return times


def _percentiles(times: list[float]) -> tuple[float, float]:
    return median(times), sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_flooding(*sys.argv[1:]))))
