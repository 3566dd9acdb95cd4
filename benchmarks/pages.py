"""The first and the 1,000th page of a million executions, in the service; an embedded PostgreSQL of its own.

`python -m benchmarks pages [rows]`. A page is 50 rows, filtered, ordered by when they were made, as a user who owns
the program lists them: under row-level security, through policies. Deep and first pages are asked in turns.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID

import psycopg
import uvloop
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ListExecutionsRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from framework.engine.paging import Page
from framework.resource import spec_of
from framework.testing.workbench import Workbench, workbench
from services.program.registry import registry
from services.program.resources import Execution

ROWS, DEEP, ROUNDS = 1_000_000, 1000, 200
MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"
ASKED = {
    "newest first": {"filter": "status = completed"},
    "oldest first, two conditions": {"filter": "status = completed AND latency_ms < 900", "order_by": "created_at"},
}
# In the order of their making, one in ten failed, with the JSON of a small program.
_FILL = """COPY program.executions (organization_id, id, program_id, program_revision, owner_id, status, latency_ms,
    created_at, inputs, outputs, configuration) FROM STDIN"""
_BEGAN = 1_750_000_000


def main(rows: int = ROWS) -> None:
    """Measures, and prints medians, 99th percentiles, ratios and how PostgreSQL came to them."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        uvloop.run(_measured(server.admin_url, rows))


async def _measured(url: str, rows: int) -> None:
    console = Console()
    async with workbench(registry(), url, MIGRATIONS) as bench:
        program = await filled(bench, url, rows)
        deep = min(DEEP, rows * 9 // 10 * 9 // 10 // 50)
        table = Table("list", "page 1 p50", "p99", f"page {deep} p50", "p99", "ratio", title=f"{rows:,} executions, ms")
        for name, asked in ASKED.items():
            request = ListExecutionsRequest(program_id=program, page_size=50, **asked)
            token = await _walked(bench, request, deep)
            first, last = await _timed(bench, request, token)
            ratio = median(last) / median(first)
            table.add_row(name, *_shown(first), *_shown(last), f"{ratio:.2f}")
            for begin in ("", token):
                kinds = [node["Node Type"] for node in await plan(bench, request, begin)]
                console.print(f"{name}, {'deep' if begin else 'first'}: {' < '.join(kinds)}", style="dim")
        console.print(table)


def _shown(times: Sequence[float]) -> tuple[str, str]:
    return f"{median(times):.2f}", f"{quantiles(times, n=100)[-1]:.2f}"


def small() -> program_pb2.Program:
    """Returns a program to measure with: one text in, one text out."""
    made = program_pb2.Program(name="measured", type=program_pb2.Program.TYPE_PREDICT)
    made.signature_config.inputs.add(name="text")
    made.signature_config.outputs.add(name="language")
    return made


async def filled(bench: Workbench, url: str, rows: int) -> str:
    """Makes a program of the user's with so many executions, and returns its id."""
    program: program_pb2.Program = await bench.do("CreateProgram", CreateProgramRequest(program=small()))
    await asyncio.to_thread(_copied, url, bench.organization_id, program, rows)
    return program.id


def _copied(url: str, organization: UUID, program: program_pb2.Program, rows: int) -> None:
    inputs, outputs = json.dumps({"text": "Norge och Sverige"}), json.dumps({"language": "sv"})
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor() as cursor, cursor.copy(_FILL) as copy:
            for i in range(rows):
                status = "WORK_STATUS_FAILED" if i % 10 == 0 else "WORK_STATUS_COMPLETED"
                identity = (str(organization), str(UUID(int=(7 << 76) + i)), program.id, 1, program.owner_id)
                copy.write_row((*identity, status, i % 1000, _moment(i), inputs, outputs, "{}"))
        connection.execute("ANALYZE program.executions")


def _moment(i: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_BEGAN + i // 3))


async def _walked(bench: Workbench, request: ListExecutionsRequest, pages: int) -> str:
    """Returns the token of a page, come to as every client comes to it."""
    asked = ListExecutionsRequest()
    asked.CopyFrom(request)
    for _ in range(pages - 1):
        answer: Any = await bench.do("ListExecutions", asked)
        asked.page_token = answer.next_page_token
    return asked.page_token


async def _timed(bench: Workbench, request: ListExecutionsRequest, token: str) -> tuple[list[float], list[float]]:
    """Returns the milliseconds that the first and the deep page took, in turns."""
    deep = ListExecutionsRequest()
    deep.CopyFrom(request)
    deep.page_token = token
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 10):
        for kept, asked in zip(times, (request, deep), strict=True):
            began = time.perf_counter()
            await bench.do("ListExecutions", asked)
            if number >= 10:  # the first ones prepare the statements
                kept.append((time.perf_counter() - began) * 1000)
    return times


async def plan(bench: Workbench, request: ListExecutionsRequest, token: str = "") -> list[dict[str, Any]]:
    """Returns the nodes of the plan by which the service's own role, behind its wall, comes to a page."""
    asked = ListExecutionsRequest()
    asked.CopyFrom(request)
    asked.page_token = token
    context = bench.context(bench.user, "ListExecutions")
    method = bench.registry.method("ListExecutions")
    page = Page(spec_of(Execution), context, asked, method.path, bench.engine.seal)
    sql, params = page.statement()
    async with bench.database.tenant(bench.organization_id) as tx:
        (told,) = await tx.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
    return list(_nodes(told["QUERY PLAN"][0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", []):
        yield from _nodes(part)


if __name__ == "__main__":
    main(int(sys.argv[2]) if sys.argv[2:] else ROWS)
