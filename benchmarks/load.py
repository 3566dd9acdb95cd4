"""Load from a process of its own: a fixed number of callers, a fixed number of seconds."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from grpc import aio

METHOD = "/ashgrove.program.v1.ProgramService/GetProgram"


@dataclass(frozen=True)
class Target:
    """What to call: `grpc` or `rest`, where, which program, as whom."""

    kind: str
    address: str
    program_id: str
    token: str
    callers: int = 32
    seconds: float = 4.0


async def measure(target: Target) -> dict[str, float]:
    """Returns calls per second and the 50th and 99th percentile in milliseconds, after half a second of warm-up."""
    times: list[float] = []
    async with _Caller(target) as call:
        await _round(call, target.callers, 0.5, [])
        await _round(call, target.callers, target.seconds, times)
    times.sort()
    return {
        "per_second": len(times) / target.seconds,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
    }


async def _round(call: Callable[[], Awaitable[Any]], callers: int, seconds: float, times: list[float]) -> None:
    until = time.perf_counter() + seconds

    async def one() -> None:
        while (began := time.perf_counter()) < until:
            await call()
            times.append(time.perf_counter() - began)

    await asyncio.gather(*(one() for _ in range(callers)))


class _Caller:
    """Calls one target; REST over kept connections of its own, since a full client would cost more than the server."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.channel: aio.Channel | None = None
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Callable[[], Awaitable[Any]]:
        target = self.target
        if target.kind == "rest":
            host, _, port = target.address.partition(":")
            self.idle = [await asyncio.open_connection(host, int(port)) for _ in range(target.callers)]
            return self._rest
        self.channel = aio.insecure_channel(target.address)
        method = self.channel.unary_unary(METHOD, GetProgramRequest.SerializeToString, program_pb2.Program.FromString)
        request = GetProgramRequest(id=target.program_id)
        return lambda: method(request, metadata=[("authorization", f"Bearer {target.token}")])

    async def _rest(self) -> None:
        reader, writer = self.idle.pop()
        target = self.target
        lines = (f"GET /v1/programs/{target.program_id} HTTP/1.1", f"host: {target.address}")
        writer.write("\r\n".join([*lines, f"authorization: Bearer {target.token}", "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
        await reader.readexactly(length)
        self.idle.append((reader, writer))

    async def __aexit__(self, *_: object) -> None:
        if self.channel:
            await self.channel.close()
        for _, writer in self.idle:
            writer.close()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(Target(**json.loads(sys.argv[1]))))))
