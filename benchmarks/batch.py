"""`python -m benchmarks batch`: a thousand created at once against one, in the service, on a durable database.

Beside both stands what PostgreSQL takes alone: the very statements of the batch, sent again with other ids and names.
"""

import asyncio
import hashlib
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID

import orjson
import psycopg
from ashgrove.program.v1 import dataset_pb2, program_pb2
from ashgrove.variables.v1 import variable_configuration_pb2, variable_space_pb2
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.table import Table

from deploy.local import postgres
from framework.resource import Registry
from framework.storage import Transaction, as_json
from framework.testing.workbench import Workbench, workbench
from services.program.registry import registry as program_registry
from services.variables.registry import registry as variables_registry

ROUNDS, ALONE, TOGETHER = 5, 40, 1000
Make = Callable[[str, int], Any]
Sent = list[tuple[str, Mapping[str, Any]]]
_HASH = re.compile(r'"[0-9a-f]{64}"')
_ID = re.compile(r'"((?:resource_)?id)":"([0-9a-f-]{36})"')


def main() -> None:
    """Measures, and prints medians of rounds."""
    home = Path(tempfile.mkdtemp())
    columns = ("what", "one", f"{TOGETHER:,} at once", "ratio", "each", "PostgreSQL alone", "its ratio")
    table = Table(*columns, title=f"median of {ROUNDS} rounds")
    try:
        with postgres.postgres(home) as server:
            asyncio.run(_measure(server.admin_url, table))
    finally:
        postgres.remove(home)
    Console().print(table)


async def _measure(url: str, table: Table) -> None:
    async with _service(url, program_registry()) as bench:
        await _row(url, table, bench, "Dataset", "Datasets", _dataset)
        await _row(url, table, bench, "Program", "Programs", _program)
    async with _service(url, variables_registry()) as bench:
        await _row(url, table, bench, "VariableSpace", "VariableSpaces", _space)
        space = await _create(bench, "VariableSpace", _space("of configurations", 0))
        made = _configurations(space.id)
        await _row(url, table, bench, "VariableConfiguration", "VariableConfigurations", made)


def _service(url: str, registry: Registry) -> Any:
    return workbench(registry, url, Path("services") / registry.service / "migrations")


async def _row(url: str, table: Table, bench: Workbench, noun: str, plural: str, make: Make) -> None:
    alone, together, floor = [], [], []
    for round_ in range(ROUNDS):
        _analyze(url)
        single = [make(f"{round_} alone", i) for i in range(ALONE)]
        alone.append(await _seconds(lambda single=single: _each(bench, noun, single)) / ALONE)
        many = [make(f"{round_} together", i) for i in range(TOGETHER)]
        with _listening() as sent:
            together.append(await _seconds(lambda many=many: _batch(bench, plural, many)))
        again = [_renewed(statement, round_) for statement in sent]
        floor.append(await _seconds(lambda again=again: _send(bench, again)))
    one, batch, bare = median(alone), median(together), median(floor)
    each = f"{1_000_000 * batch / TOGETHER:.0f} µs"
    ratios = [f"{batch / one:.0f}", each, f"{1000 * bare:.0f} ms", f"{bare / one:.0f}"]
    table.add_row(plural, f"{1000 * one:.1f} ms", f"{1000 * batch:.0f} ms", *ratios)


@contextmanager
def _listening() -> Iterator[Sent]:
    """Keeps what is sent to the database without being waited for: rows with their revisions, and events."""
    sent: Sent = []
    ask, send = Transaction.ask, Transaction.send

    async def asked(self: Transaction, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        sent.append((sql, params or {}))
        return await ask(self, sql, params)

    async def told(self: Transaction, sql: str, params: Mapping[str, Any] | None = None) -> None:
        sent.append((sql, params or {}))
        await send(self, sql, params)

    with patch.object(Transaction, "ask", asked), patch.object(Transaction, "send", told):
        yield sent


def _renewed(statement: tuple[str, Mapping[str, Any]], round_: int) -> tuple[str, dict[str, Any]]:
    """Returns a statement about other rows of the same size: with other ids, names and hashes."""
    sql, params = statement
    return sql, {k: _others(v, round_) if isinstance(v, Jsonb) else v for k, v in params.items()}


def _others(rows: Jsonb, round_: int) -> Jsonb:
    text = orjson.dumps(rows.obj).decode().replace("together", "by alone")
    text = _ID.sub(lambda m: f'"{m[1]}":"{UUID(int=UUID(m[2]).int ^ round_ + 1)}"', text)
    return as_json(orjson.loads(_HASH.sub(lambda m: f'"{hashlib.sha256(m[0].encode()).hexdigest()}"', text)))


async def _send(bench: Workbench, statements: Sent) -> None:
    async with bench.database.tenant(bench.organization_id) as tx:
        asked = [(sql, await tx.ask(sql, params)) for sql, params in statements]
        made = [await tx.answer(one) for sql, one in asked if sql.startswith("WITH made")]
    assert sum(map(len, made)) == TOGETHER, "every row is made again"


def _analyze(url: str) -> None:
    """Does what autovacuum does within a minute: until then even the checks of keys are planned for empty tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


async def _seconds(action: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


async def _each(bench: Workbench, noun: str, messages: Sequence[Any]) -> None:
    for message in messages:
        await _create(bench, noun, message)


async def _create(bench: Workbench, noun: str, message: Any) -> Any:
    name = next(s.singular for s in bench.registry.specs.values() if s.noun == noun)
    return await bench.do(f"Create{noun}", _request(bench, f"Create{noun}")(**{name: message}))


async def _batch(bench: Workbench, plural: str, messages: Sequence[Any]) -> None:
    request = _request(bench, f"BatchCreate{plural}")
    collection = request.DESCRIPTOR.fields[0].name
    await bench.do(f"BatchCreate{plural}", request(**{collection: messages}))


def _request(bench: Workbench, rpc: str) -> Any:
    return bench.registry.method(rpc).request_class


def _dataset(prefix: str, number: int) -> dataset_pb2.Dataset:
    made = dataset_pb2.Dataset(name=f"{prefix} {number}")
    made.input_fields.add(name="text")
    made.output_fields.add(name="answer")
    return made


def _program(prefix: str, number: int) -> program_pb2.Program:
    made = program_pb2.Program(name=f"{prefix} {number}", type=program_pb2.Program.TYPE_PREDICT)
    made.signature_config.instructions = f"Answer {number}."
    made.signature_config.inputs.add(name="text")
    made.signature_config.outputs.add(name="answer")
    return made


def _space(prefix: str, number: int) -> variable_space_pb2.VariableSpace:
    made = variable_space_pb2.VariableSpace(name=f"{prefix} {number}")
    made.variables.add(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=1 + number))
    return made


def _configurations(space: str) -> Make:
    places = iter(range(10**9))

    def make(prefix: str, number: int) -> variable_configuration_pb2.VariableConfiguration:
        made = variable_configuration_pb2.VariableConfiguration(name=f"{prefix} {number}", variable_space_id=space)
        made.values.update({"heat": next(places) / 10**9})
        return made

    return make


if __name__ == "__main__":
    main()
