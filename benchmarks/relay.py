"""How fast events are relayed: outbox, numbers, feed over gRPC, consumer; an embedded PostgreSQL of its own.

First the throughput of a full outbox, beside a bare loop that reads the same rows and does nothing with them; then the
lag from just before the commit to the consumer, while another process commits 500 writes a second, durably.
"""

import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1 import event_feed_service_pb2_grpc as grpc_pb
from ashgrove.event.v1.event_pb2 import Event
from grpc import aio
from rich.console import Console

from deploy.local.postgres import postgres
from framework.call import Context, service_actor
from framework.engine.writing import told_of
from framework.events.feed import Feed, FeedServicer
from framework.events.recent import last
from framework.events.sequencer import Sequencer
from framework.events.snapshot import Snapshots
from framework.identifiers import new_id
from framework.storage import Database
from framework.tasks import stopped
from framework.testing.workbench import PASSWORD, Workbench, workbench
from services.variables.registry import registry

BACKLOG = 20_000
RATE = 500
SECONDS = 20.0
_WRITERS = 8
_MIGRATIONS = Path(__file__).parents[1] / "services" / "variables" / "migrations"
_BARE = "SELECT sequence, event FROM feed WHERE sequence > %(after)s ORDER BY sequence LIMIT 500"


def main() -> None:
    """Prints events a second, and the lag under load."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        uvloop.run(_measured(server.admin_url))


async def _measured(url: str) -> None:
    console = Console()
    async with workbench(registry(), url, _MIGRATIONS) as bench:
        relayed, bare = await _throughput(bench)
        console.print(
            f"a backlog of {BACKLOG} events: {relayed:.0f} events/s, {relayed / bare:.2f} of a bare reading loop"
        )
        lags, rate = await _lags(bench, url)
    p50, p99 = median(lags), lags[math.ceil(len(lags) * 0.99) - 1]
    console.print(
        f"under {rate:.0f} writes/s: lag p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {len(lags)} events"
    )


async def _throughput(bench: Workbench) -> tuple[float, float]:
    """Returns how many events a second come out of a full outbox, and how many rows a bare loop reads."""
    event = {"type": "variable_space.updated", "resource_type": "variable_space", "data": {"name": "x" * 500}}
    async with bench.database.system() as tx:
        await tx.execute(
            "INSERT INTO outbox (event) SELECT %(event)s::jsonb FROM generate_series(1, %(count)s)",
            {"event": json.dumps(event), "count": BACKLOG},
        )
    began = time.perf_counter()
    async with _relay(bench, 0) as frames:
        count = 0
        async for frame in frames:
            count += frame.WhichOneof("frame") == "item"
            if count == BACKLOG:
                break
    relayed = BACKLOG / (time.perf_counter() - began)
    began, after = time.perf_counter(), 0
    while after < BACKLOG:
        async with bench.database.system() as tx:
            after = (await tx.fetch(_BARE, {"after": after}))[-1]["sequence"]
    return relayed, BACKLOG / (time.perf_counter() - began)


async def _lags(bench: Workbench, url: str) -> tuple[list[float], float]:
    """Returns the lags under load, sorted, and how many writes a second there were."""
    async with bench.database.system() as tx:
        start = await last(tx)
    command = [sys.executable, "-m", "benchmarks.relay", "write", url, PASSWORD]
    lags: list[float] = []
    async with _relay(bench, start) as frames:
        writer = await asyncio.create_subprocess_exec(*command)
        began = time.perf_counter()
        async for frame in frames:
            if frame.WhichOneof("frame") == "item":
                lags.append((time.time_ns() - int(frame.item.request_id)) / 1e9)
            if len(lags) >= RATE * SECONDS:
                break
        took = time.perf_counter() - began
        writer.terminate()
        await writer.wait()
    return sorted(lags), len(lags) / took


@asynccontextmanager
async def _relay(bench: Workbench, start: int) -> AsyncIterator[AsyncIterator[pb.TailResponse]]:
    """Runs what an API process runs for its feed, and opens the feed over gRPC as another service does."""
    feed = Feed(bench.database, bench.engine.recent)
    context = Context(service_actor("audit"), "Tail", "", math.inf)
    servicer = FeedServicer(feed, Snapshots(bench.database, bench.registry, told_of), lambda: context)
    server = aio.server()
    grpc_pb.add_EventFeedServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call, unused-ignore]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    works = [Sequencer(bench.database, bench.engine.hints).run, bench.engine.recent.run]
    tasks = [asyncio.create_task(work()) for work in works]
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = grpc_pb.EventFeedServiceStub(channel)
        yield stub.Tail(pb.TailRequest(from_sequence=start, consumer="bench"))
    await stopped(tasks)
    await server.stop(None)


async def _write(url: str, password: str) -> None:
    """Commits events at the rate, each in a transaction of its own, until it is ended."""
    database = Database(url, password, "variables", size=_WRITERS)
    await database.open()
    began = time.perf_counter()

    async def one(number: int) -> None:
        organization = new_id()
        while True:
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            async with database.tenant(organization) as tx:
                event = Event(type="test", organization_id=str(organization), request_id=str(time.time_ns()))
                event.data.update({"name": "x" * 500})
                await tx.record(event)
            number += _WRITERS

    await asyncio.gather(*(one(number) for number in range(_WRITERS)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        uvloop.run(_write(sys.argv[2], sys.argv[3]))
    else:
        main()
