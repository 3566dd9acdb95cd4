"""The ext_authz process: loads every credential, follows the changes, answers Envoy until told to stop."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from framework.storage import Database
from services.auth.application import AuthSettings, application_of
from services.auth.authz import Authorization
from services.auth.credentials import Credentials
from services.auth.gatekeeper import Gatekeeper
from services.auth.refresh import Refresher

_HEALTH_EVERY_SECONDS = 0.1
_CONNECTIONS = 2


async def serve_authz(settings: AuthSettings) -> None:
    """Serves until SIGTERM or SIGINT; healthy from the first load on, and as long as the memory is current."""
    application = application_of(settings)
    password = settings.database_password.get_secret_value()
    database = Database(settings.database_url, password, "auth", size=_CONNECTIONS)
    credentials = Credentials()
    gatekeeper = Gatekeeper(credentials, application.tokens, application.pepper)
    refresher = Refresher(database, credentials, gatekeeper)
    # A memory older than an access token may live knows nothing for sure any more.
    patience = float(settings.access_token_seconds)
    await database.open()
    try:
        server, health = _server(settings, Authorization(gatekeeper, refresher.age, patience))
        await server.start()
        await _until_stopped(refresher.follow(), _tell_health(health, refresher, patience))
        await health.enter_graceful_shutdown()
        await server.stop(settings.drain_seconds)
    finally:
        await database.close()


def _server(settings: AuthSettings, servicer: Authorization) -> tuple[grpc.aio.Server, health_aio.HealthServicer]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(servicer, server)
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(f"{settings.service_host}:{settings.service_port}")
    return server, health


async def _tell_health(health: health_aio.HealthServicer, refresher: Refresher, patience: float) -> None:
    status = health_pb2.HealthCheckResponse
    while True:
        current = refresher.age() <= patience
        await health.set("", status.SERVING if current else status.NOT_SERVING)
        await asyncio.sleep(_HEALTH_EVERY_SECONDS)


async def _until_stopped(*work: Coroutine[Any, Any, None]) -> None:
    """Runs the work until a signal comes; work that fails ends the process with its error."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    tasks = [asyncio.ensure_future(one) for one in work]
    waiting = asyncio.ensure_future(stopped.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, waiting):
        task.cancel()
    for task in done - {waiting}:
        task.result()  # raises what ended it
