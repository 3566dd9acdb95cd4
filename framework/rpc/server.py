"""The life of a server process: listen, become healthy, serve, drain, end."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from framework import telemetry
from framework.rpc.identity import Verifier
from framework.rpc.interceptors import interceptors
from framework.rpc.logs import set_up
from framework.rpc.open_streams import OpenStreams
from framework.rpc.tls import server_credentials
from framework.settings import TlsSettings
from framework.tasks import stopped

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_log = logging.getLogger("ashgrove.server")
_YOUNG = 50_000
"""How many containers may be made, beyond those that are gone again, before cycles among them are looked for."""
OPTIONS = (
    # gRPC refuses bursts of streams beyond these bounds before any handler sees them.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ("grpc.max_concurrent_streams", 20_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # Envoy passes a REST call's path on, with a filter and a token in it whose every character may be escaped; what is
    # beyond Envoy's own 60 KiB never comes here.
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 80 * 1024),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)
"""What every server of ours is set to."""

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Process:
    """What one process serves and does: an API, a worker with its health port only, or ext_authz."""

    name: str
    host: str
    port: int
    verifier: Verifier | None = None
    streams: OpenStreams | None = None
    """Counts what is open; with the usual bounds when None."""
    handlers: Sequence[grpc.GenericRpcHandler] = ()
    servicers: Sequence[Callable[[aio.Server], None]] = ()
    services: Sequence[str] = ()
    """Full names, for reflection."""
    ready: Sequence[Check] = ()
    """Each raises while a dependency does not answer."""
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Each runs until cancelled; one that ends ends the process."""
    close: Sequence[Check] = ()
    drain_seconds: float = 5.0
    log_level: str = field(default="INFO")
    tls: TlsSettings | None = None


def run(make: Callable[[], Awaitable[Process]]) -> None:
    """Runs a process until SIGTERM or SIGINT; exits non-zero when a background task died."""
    import uvloop

    uvloop.run(serve(make))


async def serve(make: Callable[[], Awaitable[Process]]) -> None:
    """Serves until told to stop, then drains: health first, calls in flight, tasks, pools."""
    process = await make()
    set_up(process.log_level)
    server, healthy = _server(process)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await healthy.set("", _NOT_SERVING)  # before anybody can ask: a new servicer says SERVING
    await server.start()
    settle()
    _log.info("%s listens on %s:%s", process.name, process.host, process.port)
    tasks = [asyncio.create_task(work()) for work in process.background]
    tasks.append(asyncio.create_task(_watch_health(process, healthy)))
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
    await healthy.enter_graceful_shutdown()
    await server.stop(process.drain_seconds)
    await _end(process, tasks, told)


def settle() -> None:
    """Has the collector of cycles leave alone what was imported, and come seldom: no call waits for it that need not.

    A frame to ten thousand streams makes a hundred thousand objects that are gone a moment later; at every 700 of them
    it looked, and took a quarter of the time of all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


async def _end(process: Process, tasks: Sequence["asyncio.Task[None]"], stopping: "asyncio.Task[Any]") -> None:
    died = [t for t in tasks if t.done()]
    await stopped([*tasks, stopping])
    for close in process.close:
        await close()
    await asyncio.to_thread(telemetry.stop)
    for task in died:
        fault = task.exception() if not task.cancelled() else None
        _log.error("a background task of %s ended", process.name, exc_info=fault)
        raise SystemExit(1)


def _server(process: Process) -> tuple[aio.Server, Any]:
    server = aio.server(interceptors=interceptors(process.verifier, process.streams), options=OPTIONS)
    server.add_generic_rpc_handlers(tuple(process.handlers))
    for add in process.servicers:
        add(server)
    healthy = health.aio.HealthServicer()  # type: ignore[attr-defined, unused-ignore]
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    names = (*process.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    _listen(server, process)
    return server, healthy


def _listen(server: aio.Server, process: Process) -> int:
    address = f"{process.host}:{process.port}"
    if process.tls and process.tls.tls:
        return server.add_secure_port(address, server_credentials(process.tls))
    return server.add_insecure_port(address)


async def _watch_health(process: Process, healthy: Any) -> None:
    serving = False
    while True:
        fault = await _fault(process)
        if (fault is None) != serving:
            serving = fault is None
            await healthy.set("", _SERVING if serving else _NOT_SERVING)
            _log.info("%s is %s %s", process.name, "ready" if serving else "not ready:", fault or "")
        await asyncio.sleep(2.0 if serving else 0.1)


async def _fault(process: Process) -> str | None:
    try:
        for check in process.ready:
            async with asyncio.timeout(5.0):
                await check()
    except Exception as error:
        return str(error) or type(error).__name__
    return None
