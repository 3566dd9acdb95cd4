"""Services as processes on a database and in a home of their own, to be killed at a failpoint and started again.

    processes = Processes(("auth", "variables", "audit"), postgres_url, folder)
    processes.prepare()
    async with processes.running():
        await processes.restart("audit", failpoint="feed.handled=2")
        ...                                       # what leads there
        await processes.killed("audit")           # by SIGKILL, at that very place
        await processes.restart("audit")

Redis is away, and so are the services that are not named. `optimizer-worker` and `program-worker` are processes too.
docs/testing.md lists the failpoints.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import grpc
import psycopg
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg.rows import dict_row

from deploy.local.ports import free_port
from framework.call import Actor
from framework.rpc.channels import as_caller, channel_to
from framework.storage.migrate import migrate
from framework.testing.workbench import PASSWORD
from services.auth.tokens import read_tokens

ROOT = Path(__file__).parents[1]
EVERY = ("auth", "program", "variables", "optimizer", "audit")
PATIENCE_SECONDS = 300.0


class Processes:
    """Some of the platform's services, each in a process; settings are told to all of them."""

    def __init__(self, services: Sequence[str], admin_url: str, folder: Path, **settings: str) -> None:
        self.services = services
        self.url = f"{admin_url.rsplit('/', 1)[0]}/{self._database(admin_url)}"
        self.folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self.addresses = {name: f"127.0.0.1:{free_port()}" for name in {*EVERY, *services}}
        told = {f"{service}_address": self.addresses[service] for service in EVERY}
        told |= {
            "service_port": "0",
            "database_url": f"postgresql://{self.url.partition('@')[2]}",
            "database_password": PASSWORD,
            "redis_url": "redis://127.0.0.1:1/0",
            "secrets": str(folder / "secrets"),
            "home": str(folder),
            "drain_seconds": "0.2",  # streams between services would fill any more
            **settings,
        }
        self.environment = {f"ASHGROVE_{name.upper()}": value for name, value in told.items()}
        self.environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PATH": "/usr/bin:/bin"}

    @staticmethod
    def _database(admin_url: str) -> str:
        name = f"processes_{uuid4().hex[:12]}"
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def prepare(self) -> None:
        """Migrates every schema and makes the secrets."""
        for service in {name.partition("-")[0] for name in self.services}:
            migrate(self.url, service, PASSWORD, ROOT / "services" / service / "migrations")
        subprocess.run(_command("auth", "bootstrap"), env=self.environment, check=True)

    @asynccontextmanager
    async def running(self, armed: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[None]:
        """Runs them all for the length of a block; at its end each must drain and say that all went well.

        `armed` names the failpoints of those that are to die.
        """
        try:
            await asyncio.gather(*(self.start(each, failpoint=armed.get(each, "")) for each in self.services))
            yield
        finally:
            await asyncio.gather(*(self.stop(service) for service in list(self._running)))

    async def start(self, service: str, *, failpoint: str = "", verb: str = "", **settings: str) -> None:
        """Starts a service, to be killed at a failpoint when one is named, and returns once it is ready."""
        port = self.addresses[service].rpartition(":")[2]
        told = {"service_port": port, "failpoint": failpoint, **settings}
        more = {f"ASHGROVE_{name.upper()}": value for name, value in told.items()}
        process = await asyncio.create_subprocess_exec(*_command(service, verb), env=self.environment | more)
        self._running[service] = process
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._ready(service, process)

    async def _ready(self, service: str, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:  # one that has reached its failpoint by now is as ready as it will be
            # A channel each time: one that found nobody would wait ever longer before it looks again.
            async with channel_to(self.addresses[service]) as channel:
                with suppress(grpc.aio.AioRpcError):
                    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            await asyncio.sleep(0.05)

    async def stop(self, service: str) -> None:
        """Asks a service to end, which it must do in order."""
        process = self._running.pop(service)
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0, service

    async def killed(self, service: str, patience: float = PATIENCE_SECONDS) -> None:
        """Returns once a service has died at its failpoint."""
        dying = self._running[service]
        async with asyncio.timeout(patience):
            assert await dying.wait() == -signal.SIGKILL, service
        del self._running[service]

    async def kill(self, service: str) -> None:
        """Kills a service wherever it is."""
        self._running[service].kill()
        await self.killed(service)

    async def restart(self, service: str, **how: Any) -> None:
        """Ends a service that runs, and starts it as `start` does."""
        if service in self._running:
            await self.stop(service)
        await self.start(service, **how)

    async def call(self, service: str, stub: Any, rpc: str, request: Message, actor: Actor) -> Any:
        """Calls a service past the gateway as an actor; raises grpc's error for what is refused or cut off."""
        async with channel_to(self.addresses[service]) as channel:
            return await getattr(stub(channel), rpc)(request, metadata=as_caller(self.token(actor)), timeout=100.0)

    async def stream(self, service: str, stub: Any, rpc: str, request: Message, actor: Actor) -> AsyncIterator[Any]:
        """Yields the frames of a stream past the gateway, until it ends or is cut off, which raises grpc's error."""
        async with channel_to(self.addresses[service]) as channel:
            async for frame in getattr(stub(channel), rpc)(request, metadata=as_caller(self.token(actor))):
                yield frame

    def token(self, actor: Actor) -> str:
        """Returns an identity token such as the gateway's ext_authz signs."""
        return read_tokens(self.folder / "secrets", access_seconds=900, identity_seconds=60).issue_identity(actor).text

    async def fetch(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Returns what a query by the database's superuser finds."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            return await (await connection.execute(sql, values)).fetchall()

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Returns the same, each row by its columns' names."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True, row_factory=dict_row) as connection:
            return await (await connection.execute(sql, values)).fetchall()

    async def caught_up(self, consumer: str, source: str) -> None:
        """Returns once a service has handled all that another's feed will tell."""
        sql = f"""SELECT NOT EXISTS (SELECT FROM {source}.outbox) AND h.last_sequence = coalesce(
                      (SELECT sequence FROM {consumer}.cursors WHERE consumer = %s), 0) FROM {source}.feed_head h"""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                ((done,),) = await self.fetch(sql, f"{consumer}:{source}")
                if done:
                    return
                await asyncio.sleep(0.02)


def _command(name: str, verb: str) -> list[str]:
    service, _, role = name.partition("-")
    return [sys.executable, "-m", f"services.{service}", verb or role or "serve"]
