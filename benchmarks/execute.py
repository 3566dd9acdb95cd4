"""What ExecuteProgram adds to calling DSPy directly with the same engine; embedded PostgreSQL and Valkey of its own.

The same program on the embedded model: interleaved calls of the runner itself and of the RPC in the service, with its
worker beside it. Every commit is durable. Medians in milliseconds.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from framework.egress.outlet import Outlet
from framework.events.hints import Hints
from framework.tasks import stopped
from framework.testing.workbench import Workbench, workbench
from services.program.lm.engine import ModelSettings
from services.program.resources import registry
from services.program.running import Models
from services.program.worker import Worker
from services.program.working import Workshop

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
        direct, served = asyncio.run(_measured(server.admin_url, hints.url))
    table = Table("DSPy directly", "ExecuteProgram", "added", title="one execution, ms")
    table.add_row(f"{direct:.2f}", f"{served:.2f}", f"{served - direct:.2f}")
    Console().print(table)


async def _measured(url: str, redis: str) -> tuple[float, float]:
    async with workbench(registry(), url, _MIGRATIONS) as bench, Outlet() as http:
        bench.engine.hints = Hints(redis)
        models = Models(ModelSettings(), http)
        tasks = [asyncio.create_task(bench.engine.hints.run())]
        tasks.append(asyncio.create_task(Worker(Workshop(bench.engine, models.prepare)).run()))
        try:
            return await _interleaved(bench, models)
        finally:
            await stopped(tasks)
            await bench.engine.hints.close()


async def _interleaved(bench: Workbench, models: Models) -> tuple[float, float]:
    wanted = program_pb2.Program(name="language", type=program_pb2.Program.TYPE_PREDICT)
    wanted.signature_config.inputs.add(name="text")
    wanted.signature_config.outputs.add(name="language", choices=["sv", "fr"])
    program: Any = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    request = ExecuteProgramRequest(program_id=program.id)
    request.inputs.update(_INPUTS)
    run = await models.prepare(program, {}, [])
    times: dict[str, list[float]] = {"direct": [], "served": []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await run(_INPUTS, 0)
        times["direct"].append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        await bench.do("ExecuteProgram", request)
        times["served"].append((time.perf_counter() - began) * 1000)
    return median(times["direct"][10:]), median(times["served"][10:])


if __name__ == "__main__":
    main()
