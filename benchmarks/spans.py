"""What spans cost: `GetProgram` over gRPC in this process, without a collector and with one, rounds interleaved.

`python -m benchmarks spans`. Caller, server and the thread that sends share this process's one interpreter, so that
what sending costs is in the figures; the collector is a process of its own, PostgreSQL an embedded one.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from rich.console import Console
from rich.table import Table

from benchmarks.pages import small
from deploy.local.postgres import postgres
from framework import telemetry
from framework.otlp import sends_to
from framework.testing.serving import served
from framework.testing.spans import collecting
from framework.testing.workbench import workbench
from services.program.registry import registry

CALLERS, SECONDS, ROUNDS = 16, 2.0, 7
MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"
RATIOS = {"no collector": None, "none sampled": 0.0, "1 in 100": 0.01, "every call": 1.0}


def main() -> None:
    """Measures, and prints calls a second and what remains of them."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, _collector() as endpoint:
        uvloop.run(_measured(server.admin_url, endpoint))


@contextmanager
def _collector() -> Iterator[str]:
    command = [sys.executable, "-c", "from benchmarks import spans; spans.collect()"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def collect() -> None:
    """Takes spans and forgets them, until killed."""
    with collecting() as collector:
        print(collector.endpoint, flush=True)
        while True:
            time.sleep(1.0)
            collector.bodies.clear()


async def _measured(url: str, endpoint: str) -> None:
    rates: dict[str, list[float]] = {name: [] for name in RATIOS}
    async with workbench(registry(), url, MIGRATIONS) as bench, served(bench) as service:
        program = await bench.do("CreateProgram", CreateProgramRequest(program=small()))
        caller = service.as_actor(bench.user)
        await _rate(caller, program.id)
        for _ in range(ROUNDS):
            for name, ratio in RATIOS.items():
                if ratio is not None:
                    telemetry.through(sends_to(endpoint, "program", ratio))
                rates[name].append(await _rate(caller, program.id))
                await asyncio.to_thread(telemetry.stop)
    table = Table("spans", "calls/s", "ratio", title=f"GetProgram over gRPC, {CALLERS} callers, median of {ROUNDS}")
    base = rates["no collector"]
    for name, found in rates.items():
        ratio = median(one / without for one, without in zip(found, base, strict=True))
        table.add_row(name, f"{median(found):.0f}", f"{ratio:.3f}")
    console = Console()
    console.print(table)
    console.print(f"a span that nobody wants: {_nothing():.0f} ns")


async def _rate(caller: Any, program: str) -> float:
    until, done = time.perf_counter() + SECONDS, 0

    async def one() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await caller.do("GetProgram", id=program)
            done += 1

    await asyncio.gather(*(one() for _ in range(CALLERS)))
    return done / SECONDS


def _nothing(times: int = 200_000) -> float:
    began = time.perf_counter()
    for _ in range(times):
        with telemetry.span("nothing", alone=False):
            pass
    return (time.perf_counter() - began) / times * 1e9


if __name__ == "__main__":
    main()
