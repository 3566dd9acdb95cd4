"""`python -m benchmarks upload [rows]`: a file of JSON lines into a dataset, over gRPC, judged, divided and hashed.

The service, with its real interceptors, and an embedded PostgreSQL of its own are in processes of their own; the
baseline is a COPY of the same lines as jsonb into a bare table of the same server. Memory is the service's, most of it
while a file came in, for a file and for one five times as long.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import uvloop
from ashgrove.areas import ProgramArea
from ashgrove.program.v1 import dataset_pb2, example_requests_pb2
from ashgrove.program.v1.dataset_requests_pb2 import CreateDatasetRequest
from grpc import aio
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from framework.testing.beside import beside
from framework.testing.serving import served
from framework.testing.workbench import workbench
from services.program.registry import registry

ROWS, ROUNDS, PIECE = 100_000, 3, 256 * 1024
MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"


def main(rows: int = ROWS) -> None:
    """Measures, and prints rows a second, their ratio to a bare COPY, and the service's memory."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        # By its own module's name, whoever runs this one: the process imports it anew.
        from benchmarks.upload import serve

        with beside(serve, server.admin_url) as (port, token, pid):
            uvloop.run(_measured(server.admin_url, port, token, pid, rows))


def serve(url: str, pipe: Any) -> None:
    """Serves until the process ends; tells port, token and process id."""

    async def serving() -> None:
        async with workbench(registry(), url, MIGRATIONS) as bench, served(bench) as service:
            pipe.send((service.port, service.issuer.token(bench.user), os.getpid()))
            await asyncio.Event().wait()

    uvloop.run(serving())


def lines(rows: int) -> Iterator[bytes]:
    """Yields rows of a hundred bytes: a question, its length and an answer."""
    for i in range(rows):
        row = {"question": f"What is the capital of country number {i}?", "length": i % 50, "answer": f"City {i}"}
        yield json.dumps(row).encode() + b"\n"


async def _measured(url: str, port: int, token: str, pid: int, rows: int) -> None:
    file = b"".join(lines(rows))
    metadata = [("authorization", f"Bearer {token}")]
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = ProgramArea(channel)
        uploads, copies, most, began = [], [], [], _processor(pid)
        for number in range(ROUNDS):
            before = _memory(pid)
            uploads.append(await _upload(stub, metadata, f"round {number}", [file]))
            most.append(_memory(pid) - before)
            copies.append(await asyncio.to_thread(_copy, url, file))
        took = (_processor(pid) - began) / ROUNDS
        before = _memory(pid)
        await _upload(stub, metadata, "long", [file] * 5)
        longer = _memory(pid) - before
    table = Table("what", "rows/s", "of COPY", title=f"{rows:,} rows, {len(file) / rows:.0f} bytes each")
    table.add_row("COPY", f"{rows / median(copies):,.0f}", "1")
    table.add_row("upload", f"{rows / median(uploads):,.0f}", f"{median(copies) / median(uploads):.2f}")
    console = Console()
    console.print(table)
    grown = ", ".join(f"{each} MB" for each in most)
    console.print(
        f"{took / rows * 1e6:.0f} microseconds of the service's processor a row: {rows / took:,.0f} rows a second"
    )
    console.print(f"the service's peak grew by {grown}; by {longer} MB for five times as many rows")


async def _upload(stub: Any, metadata: Any, name: str, files: list[bytes]) -> float:
    dataset = dataset_pb2.Dataset(name=name)
    dataset.input_fields.add(name="question")
    dataset.input_fields.add(name="length", type=2)
    dataset.output_fields.add(name="answer")
    made = await stub.CreateDataset(CreateDatasetRequest(dataset=dataset), metadata=metadata)

    async def pieces() -> AsyncIterator[example_requests_pb2.UploadExamplesRequest]:
        yield example_requests_pb2.UploadExamplesRequest(dataset_id=made.id)
        for file in files:
            for start in range(0, len(file), PIECE):
                piece = example_requests_pb2.UploadExamplesRequest()
                piece.body.data = file[start : start + PIECE]
                yield piece

    began = time.perf_counter()
    await stub.UploadExamples(pieces(), metadata=metadata)
    return time.perf_counter() - began


def _copy(url: str, file: bytes) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare (row jsonb)")
        began = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy("COPY bare FROM STDIN") as copy:
            copy.write(file)
        return time.perf_counter() - began


def _memory(pid: int) -> int:
    """Returns the most megabytes that a process ever held."""
    told = Path(f"/proc/{pid}/status").read_text()
    return int(told.split("VmHWM:")[1].split()[0]) // 1024


def _processor(pid: int) -> float:
    """Returns the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[2]) if sys.argv[2:] else ROWS)
