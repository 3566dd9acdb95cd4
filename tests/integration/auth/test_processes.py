"""The processes of auth as they are started in earnest: bootstrap, then ext_authz, stopped by SIGTERM."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psycopg
import pytest
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from tests.integration.auth.house import PASSWORD, migrated

GET = "/ashgrove.program.v1.ProgramService/GetProgram"


class Stage:
    """A home with its own database and an environment for the processes."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.port = free_port()
        elsewhere = {
            f"ASHGROVE_{s}_ADDRESS": "127.0.0.1:1" for s in ("AUTH", "PROGRAM", "VARIABLES", "OPTIMIZER", "AUDIT")
        }
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "ASHGROVE_SERVICE_PORT": str(self.port),
            "ASHGROVE_DATABASE_URL": url,
            "ASHGROVE_DATABASE_PASSWORD": PASSWORD,
            "ASHGROVE_REDIS_URL": "redis://127.0.0.1:1",
            "ASHGROVE_SECRETS": str(home / "secrets"),
            "ASHGROVE_HOME": str(home),
            **elsewhere,
        }

    async def start(self, command: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.auth", command, env=self.environment, stderr=asyncio.subprocess.PIPE
        )

    async def run(self, command: str) -> None:
        process = await self.start(command)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


@pytest.fixture
async def stage(postgres_url: str, tmp_path: Path) -> Stage:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE auth_process_tests")
    return Stage(tmp_path, migrated(postgres_url.rsplit("/", 1)[0] + "/auth_process_tests"))


@pytest.fixture
async def channel(stage: Stage) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stage.port}") as opened:
        yield opened


async def admitted(channel: grpc.aio.Channel, key: str) -> bool:
    request = external_auth_pb2.CheckRequest()
    request.attributes.request.http.path = GET
    request.attributes.request.http.headers["authorization"] = f"Bearer {key}"
    response = await external_auth_pb2_grpc.AuthorizationStub(channel).Check(request)  # type: ignore[no-untyped-call]
    return bool(response.HasField("ok_response"))


async def test_from_nothing_to_a_gate_that_hears_of_revocations(stage: Stage, channel: grpc.aio.Channel) -> None:
    """Bootstrap may be repeated; its key opens the gate, revoking it closes it, SIGTERM ends the process cleanly."""
    for _ in range(2):
        await stage.run("bootstrap")
    key = (stage.home / "admin.key").read_text().strip()
    process = await stage.start("authz")
    try:
        health = health_pb2_grpc.HealthStub(channel)
        async for answer in health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
        assert await admitted(channel, key)
        assert not await admitted(channel, key[:-1])
        async with await psycopg.AsyncConnection.connect(
            stage.url, user="auth_system", password=PASSWORD, options="-c search_path=auth"
        ) as connection:
            await connection.execute("UPDATE api_keys SET revoked_at = now()")
        async with asyncio.timeout(10):
            while await admitted(channel, key):
                pass
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors
