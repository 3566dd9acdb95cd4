"""The floor of `execute`: a bare grpc.aio handler that writes an execution down, runs it, and writes down its end.

One row, written twice through psycopg's pool: before the run, not waiting for the disk, and after it, durably. No
policies, no defaults, no events, no lease, nobody who could take it over.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from grpc import aio
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from framework.structs import put, values_of

_SERVICE = "ashgrove.bare.v1.BareService"
_BEGIN = """
INSERT INTO program.executions (organization_id, id, owner_id, program_id, program_revision, inputs, status, started_at)
VALUES (%(organization)s, %(id)s, %(owner)s, %(program)s, 1, %(inputs)s, 'WORK_STATUS_RUNNING', clock_timestamp())
"""
_END = """
UPDATE program.executions SET status = 'WORK_STATUS_COMPLETED', completed_at = clock_timestamp(), outputs = %(outputs)s,
    input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s, cost_micros = %(cost_micros)s,
    latency_ms = %(latency_ms)s
WHERE id = %(id)s RETURNING *
"""
Run = Callable[[Mapping[str, Any], int], Awaitable[Any]]
Execute = Callable[[ExecuteProgramRequest], Awaitable[execution_pb2.Execution]]


@asynccontextmanager
async def bare(url: str, run: Run, organization: uuid.UUID, owner: str) -> AsyncIterator[Execute]:
    """Serves it on loopback for the length of a block, and yields what calls it."""
    kwargs = {"row_factory": dict_row, "prepare_threshold": 2, "autocommit": True}
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(url, min_size=2, max_size=8, open=False, kwargs=kwargs)
    names = {"organization": organization, "owner": owner}

    async def execute(request: ExecuteProgramRequest, _: Any) -> execution_pb2.Execution:
        return await _executed(pool, run, request, names)

    method = grpc.unary_unary_rpc_method_handler(
        execute, ExecuteProgramRequest.FromString, execution_pb2.Execution.SerializeToString
    )
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Execute": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await pool.open(wait=True)
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary(
                f"/{_SERVICE}/Execute", ExecuteProgramRequest.SerializeToString, execution_pb2.Execution.FromString
            )
    finally:
        await server.stop(None)
        await pool.close()


async def _executed(pool: Any, run: Run, request: ExecuteProgramRequest, names: dict[str, Any]) -> Any:
    inputs = values_of(request.inputs)
    row = {**names, "id": uuid.uuid4(), "program": request.program_id, "inputs": Jsonb(inputs)}
    async with pool.connection() as connection, connection.pipeline():
        await connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
        await connection.execute(_BEGIN, row)
    outcome = await run(inputs, request.seed)
    took = {name: getattr(outcome, name) for name in ("input_tokens", "output_tokens", "cost_micros", "latency_ms")}
    async with pool.connection() as connection:
        ended = {"id": row["id"], "outputs": Jsonb(dict(outcome.outputs)), **took}
        stored = await (await connection.execute(_END, ended)).fetchone()
    told = execution_pb2.Execution(id=str(stored["id"]), program_id=str(stored["program_id"]), **took)
    put(stored["inputs"], told.inputs)
    put(stored["outputs"], told.outputs)
    told.created_at.FromDatetime(stored["created_at"])
    told.completed_at.FromDatetime(stored["completed_at"])
    return told
