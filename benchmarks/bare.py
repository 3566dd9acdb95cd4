"""The baseline: a bare grpc.aio handler that reads the same row with psycopg, and nothing else."""

import sys
from typing import Any

import grpc
import uvloop
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from google.protobuf.json_format import ParseDict
from grpc import aio
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

_SCALARS = ("name", "description", "revision", "content_hash")


async def serve(url: str, port: int) -> None:
    """Serves `GetProgram` until killed."""
    kwargs = {"row_factory": dict_row, "prepare_threshold": 2, "autocommit": True}
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(url, min_size=8, max_size=8, open=False, kwargs=kwargs)
    await pool.open(wait=True)

    async def get(request: Any, _: Any) -> program_pb2.Program:
        async with pool.connection() as connection:
            cursor = await connection.execute("SELECT * FROM program.programs WHERE id = %s", (request.id,))
            row: Any = await cursor.fetchone()
        program = program_pb2.Program(id=str(row["id"]), owner_id=str(row["owner_id"]))
        for name in _SCALARS:
            setattr(program, name, row[name])
        ParseDict(row["signature_config"], program.signature_config)
        program.created_at.FromDatetime(row["created_at"])
        return program

    handler = grpc.unary_unary_rpc_method_handler(
        get, GetProgramRequest.FromString, program_pb2.Program.SerializeToString
    )
    server = aio.server()
    service = "ashgrove.program.v1.ProgramService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"GetProgram": handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
