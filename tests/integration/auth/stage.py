"""A home with its own database, in which the processes of auth are started in earnest."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from tests.integration.auth.house import PASSWORD


class Stage:
    """A home with its own database and an environment for the processes."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.log = ""
        """What the last process that ran wrote to standard error."""
        elsewhere = {
            f"ASHGROVE_{s}_ADDRESS": "127.0.0.1:1" for s in ("AUTH", "PROGRAM", "VARIABLES", "OPTIMIZER", "AUDIT")
        }
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "ASHGROVE_DATABASE_URL": url,
            "ASHGROVE_DATABASE_PASSWORD": PASSWORD,
            "ASHGROVE_REDIS_URL": "redis://127.0.0.1:1",
            "ASHGROVE_SECRETS": str(home / "secrets"),
            "ASHGROVE_HOME": str(home),
            **elsewhere,
        }

    async def start(self, command: str, port: int) -> asyncio.subprocess.Process:
        """Starts a process of auth that listens on a port."""
        environment = self.environment | {"ASHGROVE_SERVICE_PORT": str(port)}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.auth", command, env=environment, stderr=asyncio.subprocess.PIPE
        )

    @asynccontextmanager
    async def running(self, command: str) -> AsyncIterator[int]:
        """Yields the port of a process that is healthy; afterwards it must end cleanly on SIGTERM."""
        port = free_port()
        process = await self.start(command, port)
        try:
            await _healthy(port)
            yield port
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
        self.log = errors.decode()
        assert process.returncode == 0, errors.decode()
        assert b"Traceback" not in errors

    @property
    def key(self) -> str:
        return (self.home / "admin.key").read_text().strip()

    async def run(self, command: str) -> None:
        process = await self.start(command, free_port())
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


async def _healthy(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        watch.cancel()  # else the process would wait for it when it drains
