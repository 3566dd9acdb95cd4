"""`python -m benchmarks evaluation [examples] [at once]`: an evaluation against a model that takes 50 ms an answer.

The ideal is what the answers alone take at that concurrency; what a bare aiohttp client takes for them, on the same
server and machine, stands beside it. The model is a real HTTP server in a process of its own; worker, database, hints
and caller are as in earnest. What is above the bare client is DSPy, judging and keeping, and what an evaluation takes
from the call to its first question and from its last answer to its end, however many examples it has: an evaluation of
one example shows that by itself.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramRequest
from rich.console import Console

from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from framework.egress.outlet import Outlet
from framework.testing.beside import beside
from framework.testing.workbench import Workbench, hinted, workbench
from services.program.lm.engine import ModelSettings
from services.program.registry import registry
from services.program.running import Models
from services.program.working import Workshop
from tests.integration.program.making import (
    add,
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    example,
    working,
)
from tests.models import Say, model_server

EXAMPLES, AT_ONCE, LATENCY, ROUNDS, ALONE = 1000, 50, 0.05, 3, 15
MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"
_console = Console()
_SAID = "[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"


def main(examples: int = EXAMPLES, at_once: int = AT_ONCE) -> None:
    """Measures, and prints seconds and their ratio to the ideal."""
    with (
        tempfile.TemporaryDirectory() as home,
        postgres(Path(home)) as server,
        tempfile.TemporaryDirectory() as other,
        valkey(Path(other)) as hints,
    ):
        # By its own module's name, whoever runs this one: the process imports it anew.
        from benchmarks.evaluation import model

        with beside(model) as url:
            uvloop.run(_measured(server.admin_url, hints.url, url, examples, at_once))


def model(pipe: Any) -> None:
    """Answers until the process ends; tells its URL."""

    async def serving() -> None:
        async with model_server(otherwise=Say(_SAID, latency=LATENCY)) as server:
            pipe.send(server.url)
            await asyncio.Event().wait()

    uvloop.run(serving())


async def _measured(database: str, redis: str, url: str, examples: int, at_once: int) -> None:
    async with workbench(registry(), database, MIGRATIONS) as bench, Outlet(at_once) as http, hinted(bench, redis):
        models = Models(ModelSettings(base_url=url), http)
        await models.warm()
        made = await create_program(bench)
        one, many = [evaluation(made, await _dataset(bench, n), configuration={"model": "m"}) for n in (1, examples)]
        async with working(replace(Workshop(bench.engine, models.prepare), at_once=at_once)):
            for _ in range(ROUNDS):
                await _round(bench, many, examples * LATENCY / at_once, await _alone(url, examples, at_once))
            took = [await _took(bench, one) for _ in range(ALONE)]
    beside = (statistics.median(took) - LATENCY) * 1000
    _console.print(f"of one example: {beside:.0f} ms beside its answer, {(min(took) - LATENCY) * 1000:.0f} at best")


async def _dataset(bench: Workbench, examples: int) -> dataset_pb2.Dataset:
    dataset = await create_dataset(bench, train=4, validation=0, name=f"of {examples}")
    for start in range(0, examples, 500):
        batch = [example(i, dataset_pb2.SPLIT_VALIDATION) for i in range(start, min(start + 500, examples))]
        await add(bench, dataset.id, batch)
    return dataset


async def _round(bench: Workbench, asked: EvaluateProgramRequest, ideal: float, alone: float) -> None:
    began, used = time.perf_counter(), _processor()
    _, ended = await evaluated(bench, asked)
    took, spent = time.perf_counter() - began, _processor() - used
    told = f"{ended.finished_count} examples, {ended.failed_count} failed"
    bare = f"{took / alone:.2f} of a bare client's {alone:.2f} s"
    _console.print(f"{took:.2f} s, {took / ideal:.2f} of the ideal {ideal:.2f} s, {bare}; {told}")
    _console.print(f"  the worker's processor: {spent:.2f} s, {spent / ended.finished_count * 1000:.2f} ms an example")


async def _took(bench: Workbench, asked: EvaluateProgramRequest) -> float:
    began = time.perf_counter()
    await evaluated(bench, asked)
    return time.perf_counter() - began


async def _alone(url: str, examples: int, at_once: int) -> float:
    """Returns the seconds that a bare client takes to have as many answers, as many at once."""
    waiting = iter(range(examples))
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 500}]}

    async def lane(session: aiohttp.ClientSession) -> None:
        for _ in waiting:
            async with session.post(f"{url}/chat/completions", json=body) as answer:
                await answer.json()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(lane(session) for _ in range(at_once)))
        return time.perf_counter() - began


def _processor() -> float:
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    main(*map(int, sys.argv[2:4]))
