"""`python -m benchmarks code`: what a call into a code process costs over the function alone, and what 8 hold."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from services.program.code import registry
from services.program.code.contract import Limits
from services.program.code.pool import Workers
from services.program.code.session import Session
from services.program.code.usage import alone, shared_fairly

PROGRAMS = Path(__file__).parents[1] / "tests" / "programs"
ROUNDS, CALLS, PROCESSES = 5, 1000, 8
# As large as one of the digits' images with its parameters.
INPUTS = {"pixels": [index % 17 for index in range(64)], "text": "a handwritten digit"}
PARAMETERS = {"family": "knn", "neighbours": 3, "scale": 0.5}
MEASURED = {"echo@1": "plain Python", "matrix@1": "with NumPy", "digits-classifier@1": "with scikit-learn"}
console = Console()


async def main() -> None:
    """Measures both, and prints them."""
    sys.path.append(str(PROGRAMS))
    workers = Workers(PROCESSES)
    try:
        console.print(await _calls(workers))
        console.print(await _memory(workers))
    finally:
        await workers.close()


async def _calls(workers: Workers) -> Table:
    from ashgrove_wicked.programs import echo

    here: list[float] = []
    there: list[float] = []
    async with workers.session("echo@1", [], Limits()) as session:
        await _timed(session, CALLS)
        for _ in range(ROUNDS):
            here += [_timed_here(echo) for _ in range(CALLS)]
            there += await _timed(session, CALLS)
    table = Table("one call", "p50 ms", "p99 ms", title=f"{ROUNDS} rounds of {CALLS} calls")
    for name, times in (("the function itself", here), ("through its process", there)):
        table.add_row(name, f"{median(times):.3f}", f"{quantiles(times, n=100)[-1]:.3f}")
    table.add_row("overhead", f"{median(there) - median(here):.3f}", "")
    return table


def _timed_here(function: Any) -> float:
    began = time.perf_counter()
    function(INPUTS, PARAMETERS)
    return (time.perf_counter() - began) * 1000


async def _timed(session: Session, calls: int) -> list[float]:
    times = []
    for _ in range(calls):
        began = time.perf_counter()
        await session.run(INPUTS, PARAMETERS, 7)
        times.append((time.perf_counter() - began) * 1000)
    return times


async def _memory(workers: Workers) -> Table:
    table = Table("code", "PSS MB", "USS MB", "start ms", title=f"{PROCESSES} processes together, code loaded")
    for program in (name for name in MEASURED if name in registry.programs()):
        async with AsyncExitStack() as open_sessions:
            began = time.perf_counter()
            waiting = [open_sessions.enter_async_context(_open(workers, program)) for _ in range(PROCESSES)]
            sessions = [await each for each in waiting]
            took = (time.perf_counter() - began) * 1000 / PROCESSES
            if program == "matrix@1":  # imports NumPy when called
                await asyncio.gather(*(each.run({}, {}, 0) for each in sessions))
            pids = [each.pid for each in sessions]
            held = shared_fairly(pids) / 2**20, sum(map(alone, pids)) / 2**20
        table.add_row(MEASURED[program], *(f"{each:.0f}" for each in (*held, took)))
    return table


def _open(workers: Workers, program: str) -> Any:
    return workers.session(program, [], Limits())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
