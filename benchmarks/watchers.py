"""A run's watchers: from an event's write to each of them, and what a watcher takes of memory, beside a bare fan-out.

`python -m benchmarks watchers` has 1,000 watchers, `WATCHERS=10000` in the environment ten thousand: of as many users
as it takes, since a caller may have a thousand streams. They are a process of their own on loopback, which opens a few
hundred at once; the service runs with the real interceptors, identity and hints in another. An event's time is that of
the transaction that wrote it, so figures hold the write too; the bare server sends as many bytes to as many streams,
from the moment it has them. Both are set as our servers are: by itself gRPC refuses bursts of a thousand streams. With
`GATEWAY=1` an Envoy with the gateway's whole configuration stands before either; its gate admits everybody.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import uvloop
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse as Frame
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from envoy.service.auth.v3.external_auth_pb2_grpc import AuthorizationServicer, add_AuthorizationServicer_to_server
from google.rpc.status_pb2 import Status
from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from rich.console import Console
from rich.table import Table

from benchmarks.asking import opened
from deploy.local.ports import free_port
from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from framework.call import Actor, Role
from framework.events.hints import Hints
from framework.identifiers import new_id
from framework.rpc.server import OPTIONS, settle
from framework.tasks import stopped
from framework.testing.serving import served
from framework.testing.workbench import Workbench, workbench
from services.optimizer.registry import registry
from services.optimizer.warm import WarmRuns
from services.optimizer.watched import Watched
from tests.integration.gateway.stage import envoy

METHOD = "/ashgrove.optimizer.v1.OptimizerService/WatchOptimizationRun"
ROUNDS = 15
PAUSE = 0.6
_A_CHANNEL, _A_CALLER, _AT_ONCE = 500, 1000, 200
"""How many streams a connection has, how many a caller may have, and how many are opened at once."""
_GATEWAY = "GATEWAY"
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"


class _Peers:
    """What an external run needs of the service's own things."""

    def __init__(self) -> None:
        self.warm, self.watched = WarmRuns(), Watched()


def main() -> None:
    """Measures ours and the bare one, each in processes of their own."""
    count = int(os.environ.get("WATCHERS", "1000"))
    where = " through the gateway" if _GATEWAY in os.environ else ""
    table = Table("what", "p50 ms", "p99 ms", "KB a watcher", title=f"{count:,} watchers of one run{where}")
    for name in ("bare", "ours"):
        command = [sys.executable, "-m", "benchmarks.watchers", name, str(count)]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        table.add_row(name, *(f"{float(each):.1f}" for each in told[-3:]))
    Console().print(table)


async def _watch(address: str, run: str, count: int, tokens: Sequence[str]) -> None:
    """Watches so often, says when all do, and then the p50 and p99 of each event's way in milliseconds."""
    channels = [
        aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(-(-count // _A_CHANNEL))
    ]
    ways: dict[int, list[float]] = {}
    told: dict[bytes, tuple[int, float]] = {}
    opening = asyncio.Semaphore(_AT_ONCE)

    def heard(text: bytes) -> None:
        now = time.time()
        if text not in told:  # all hear the same: it is read once
            item = Frame.FromString(text).item
            told[text] = item.sequence, item.occurred_at.ToNanoseconds() / 1e9
        sequence, written = told[text]
        ways.setdefault(sequence, []).append(now - written)

    async def one(place: int) -> None:
        asks: Any = channels[place % len(channels)].unary_stream(METHOD)
        token = tokens[place % len(tokens)]
        async with opening:
            while True:
                call = asks(request, metadata=(("authorization", f"Bearer {token}"),))
                try:
                    heard(await call.read())
                except aio.AioRpcError as refused:  # the gateway waits a second for its gate, clients come again
                    if refused.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    again.append(call)
                else:
                    break
        following.append(asyncio.create_task(follow(call)))

    async def follow(call: Any) -> None:
        while (text := await call.read()) is not aio.EOF:
            heard(text)
        print(f"a stream ended: {await call.code()} {await call.details()}", file=sys.stderr)

    request = b"\x0a" + bytes([len(run)]) + run.encode()
    again: list[Any] = []
    following: list[asyncio.Task[None]] = []
    await asyncio.gather(*(one(place) for place in range(count)))
    if again:
        print(f"{len(again)} were not let in at once, and came again", file=sys.stderr)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    whole = [sorted(each) for each in list(ways.values())[3:] if len(each) == count]
    assert len(whole) > ROUNDS // 2, f"only {len(whole)} events came to all"
    p50, p99 = (median(each[int(count * share)] for each in whole) * 1000 for share in (0.5, 0.99))
    print(p50, p99, flush=True)
    await stopped(following)


@asynccontextmanager
async def _watchers(address: str, run: str, count: int, tokens: Sequence[str]) -> AsyncIterator[Any]:
    command = (sys.executable, "-m", "benchmarks.watchers", "watch", address, run, str(count), *tokens)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin and process.stdout
    before = _resident()
    settle()
    if (await process.stdout.readline()).strip() != b"ready":
        raise SystemExit(f"not all of {count} watchers came to watch: see above")
    grown = _resident() - before
    yield
    process.stdin.write(b"\n")
    print((await process.stdout.readline()).decode().strip(), grown / count / 1024)
    await process.wait()


class _Door(AuthorizationServicer):
    """A gate that lets everybody in with the identity that they bring."""

    async def Check(self, request: Any, context: Any) -> CheckResponse:
        """Admits."""
        return CheckResponse(status=Status())


def _well(server: aio.Server) -> None:
    """Adds to a server what an Envoy before it asks it every second."""
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)


async def _gate() -> None:
    """Stands where ext_authz stands, in a process of its own as in earnest; says its port and stays."""
    server = aio.server(options=OPTIONS)
    add_AuthorizationServicer_to_server(_Door(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


@asynccontextmanager
async def _reached(port: int) -> AsyncIterator[str]:
    """Yields where watchers find a server: itself, or the gateway before it."""
    if _GATEWAY not in os.environ:
        yield f"127.0.0.1:{port}"
        return
    command = (sys.executable, "-m", "benchmarks.watchers", "gate")
    gate = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert gate.stdout
    try:
        with tempfile.TemporaryDirectory() as home:
            async with envoy(Path(home), port, (), gate=int(await gate.stdout.readline())) as gateway:
                yield f"127.0.0.1:{gateway}"
    finally:
        gate.terminate()
        await gate.wait()


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _ours(count: int) -> None:
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, valkey(Path(home)) as broker:
        async with workbench(registry(), server.admin_url, _MIGRATIONS, _Peers()) as bench:
            bench.engine.hints = Hints(broker.url)
            working = [asyncio.create_task(bench.engine.hints.run()), asyncio.create_task(_alive(bench))]
            async with served(bench, servicers=[_well]) as service, _reached(service.port) as address:
                run = await opened(bench, server.admin_url, run_pb.OptimizationRun.STRATEGY_RANDOM, 0)
                caller = service.as_actor(bench.user)
                await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client="a"))
                tokens = [service.issuer.token(_admin(bench)) for _ in range(-(-count // _A_CALLER))]
                async with _watchers(address, run, count, tokens):
                    for step in range(ROUNDS):
                        told = pb.ReportMeasurementsRequest(id=run, client="a", number=1)
                        told.measurements.add(step=step, values={"gain": 0.5})
                        await caller.do("ReportMeasurements", told)
                        await asyncio.sleep(_pause(count))
            await stopped(working)
            await bench.engine.hints.close()


async def _bare(count: int) -> None:
    queues: list[asyncio.Queue[bytes]] = []

    async def watch(_: bytes, __: Any) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.append(queue)
        yield Frame().SerializeToString()
        while True:
            yield await queue.get()

    server, port = aio.server(options=OPTIONS), free_port()
    service, name = METHOD[1:].split("/")
    handler: Any = grpc.unary_stream_rpc_method_handler(watch)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    _well(server)
    await server.start()
    async with _reached(port) as address, _watchers(address, "0" * 36, count, [""]):
        for number in range(ROUNDS):
            item = RunEvent(type=RunEvent.TYPE_TRIAL_PROGRESSED, sequence=number + 1, run_id="0" * 36)
            item.objectives["gain"] = 0.5
            item.occurred_at.GetCurrentTime()
            for queue in queues:
                queue.put_nowait(Frame(item=item).SerializeToString())
            await asyncio.sleep(_pause(count))
    await server.stop(0)


async def _alive(bench: Workbench) -> None:
    """Stands for auth's feed: while nothing is heard of it, streams end with their tokens, after a minute."""
    while True:
        bench.engine.revocations.heard()
        await asyncio.sleep(5.0)


def _admin(bench: Workbench) -> Actor:
    """Returns another who may watch every run of the organization."""
    return replace(bench.user, id=str(new_id()), role=Role.ADMIN)


def _pause(count: int) -> float:
    """Returns how many seconds to wait for an event to come to all, before the next."""
    return PAUSE * max(1.0, count / 1000)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["watch", address, run, count, *tokens]:
            uvloop.run(_watch(address, run, int(count), tokens))
        case ["gate"]:
            uvloop.run(_gate())
        case ["bare", count]:
            uvloop.run(_bare(int(count)))
        case ["ours", count]:
            uvloop.run(_ours(int(count)))
        case _:
            main()
