"""What ExecuteProgram adds to calling DSPy directly with the same engine; embedded PostgreSQL and Valkey of its own.

The same program on the embedded model, interleaved: `dspy.Predict` over our engine; our runner, which asks in DSPy's
words past its layers; the RPC in the service, with its worker beside it; each called over gRPC, a bare handler that
writes the same row twice (`bare_execution`), and the RPC. Medians in milliseconds, beside the processor time of all in
this one process, and what one commit that waits for the disk takes by itself: an execution has one, and so has the bare
handler's.
"""

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import psycopg
import uvloop
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

from benchmarks.bare_execution import bare
from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from framework.egress.outlet import Outlet
from framework.tasks import stopped
from framework.testing.serving import Caller
from framework.testing.workbench import Workbench, hinted, workbench
from services.program.handing import Waiting
from services.program.known import Known
from services.program.lm.engine import Meter, ModelSettings, meter
from services.program.lm.parameters import Parameters
from services.program.registry import registry
from services.program.running import Models
from services.program.worker import Worker
from services.program.working import Workshop
from tests.integration.program.making import handing

ROUNDS = 150
_MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"
_INPUTS = {"text": "hav och fjäll"}


def main() -> None:
    """Measures both, and prints the difference."""
    with (
        tempfile.TemporaryDirectory() as home,
        postgres(Path(home)) as server,
        tempfile.TemporaryDirectory() as other,
        valkey(Path(other)) as hints,
    ):
        commit = _commit(server.admin_url)
        found = uvloop.run(_measured(server.admin_url, hints.url))
    table = Table("one execution", "ms", "of the processor")
    for way in _WAYS:
        table.add_row(way, *(f"{found[f'{way} {what}']:.2f}" for what in _WHAT))
    for way in (_DSPY, _RUNNER):
        added = (found[f"{_SERVED} {what}"] - found[f"{way} {what}"] for what in _WHAT)
        table.add_row(f"{_SERVED}, more than {way}", *(f"{ms:.2f}" for ms in added))
    Console().print(table)
    Console().print(f"one durable commit by itself: {commit:.2f} ms")


Found = dict[str, float]
Run = Callable[[], Awaitable[Any]]
_DSPY, _RUNNER, _SERVED = "DSPy", "our runner", "in the service"
_WHAT = ("took", "processor")
_WAYS = (_DSPY, _RUNNER, _SERVED, "bare by gRPC", "by gRPC")


async def _measured(url: str, redis: str) -> Found:
    ours = SimpleNamespace(models=ModelSettings(), waiting=Waiting(), known=Known())
    async with (
        workbench(registry(), url, _MIGRATIONS, ours) as bench,
        hinted(bench, redis),
        Outlet() as http,
        handing(bench) as taken,
    ):
        models = Models(ModelSettings(), http)
        await models.warm()
        worker = Worker(Workshop(bench.engine, models.prepare))
        tasks = [asyncio.create_task(work) for work in (worker.run(), taken.of(worker).run())]
        try:
            return await _interleaved(bench, models, url, taken.service.as_actor(bench.user))
        finally:
            await stopped(tasks)


async def _interleaved(bench: Workbench, models: Models, url: str, caller: Caller) -> Found:
    wanted = program_pb2.Program(name="language", type=program_pb2.Program.TYPE_PREDICT)
    wanted.signature_config.inputs.add(name="text")
    wanted.signature_config.outputs.add(name="language", choices=["sv", "fr"])
    program: Any = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    request = ExecuteProgramRequest(program_id=program.id)
    request.inputs.update(_INPUTS)
    run, dspy_itself = await models.prepare(program, {}, []), _dspy(models, program)
    times: dict[str, list[float]] = defaultdict(list)
    async with bare(url, run, bench.organization_id, bench.user.id) as execute:
        for _ in range(ROUNDS):
            await _timed(times, _DSPY, dspy_itself)
            await _timed(times, _RUNNER, lambda: run(_INPUTS, 0))
            await _timed(times, _SERVED, lambda: bench.do("ExecuteProgram", request))
            await _timed(times, "bare by gRPC", lambda: execute(request))
            await _timed(times, "by gRPC", lambda: caller.do("ExecuteProgram", request))
    return {name: median(each[10:]) for name, each in times.items()}


def _dspy(models: Models, program: program_pb2.Program) -> Run:
    """Returns what asks the same as a plain module of DSPy's does, over the same engine."""
    import dspy  # once the models are warm, which tell it to look for nothing on the network

    from services.program.lm.runner import engine_of, lm_of
    from services.program.lm.signature import dspy_signature

    parameters = Parameters()
    lm = lm_of(parameters, engine_of(parameters, models.settings, models.http))
    module = dspy.Predict(dspy_signature(MessageToDict(program.signature_config, preserving_proto_field_name=True), ""))

    async def ask() -> Any:
        token = meter.set(Meter())
        try:
            with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
                return await module.acall(**_INPUTS)
        finally:
            meter.reset(token)

    return ask


async def _timed(times: dict[str, list[float]], name: str, do: Run) -> None:
    began, used = time.perf_counter(), time.process_time()
    await do()
    times[f"{name} took"].append((time.perf_counter() - began) * 1000)
    times[f"{name} processor"].append((time.process_time() - used) * 1000)


def _commit(url: str) -> float:
    """Returns what a commit takes that does nothing but wait for the disk, in milliseconds."""
    times = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (number int)")
        for number in range(ROUNDS):
            began = time.perf_counter()
            connection.execute("INSERT INTO bare VALUES (%s)", [number])
            times.append((time.perf_counter() - began) * 1000)
    return median(times)


if __name__ == "__main__":
    main()
