"""The audit service as a process: it follows the feeds of other processes with a token of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import free_port
from framework.identifiers import new_id

PASSWORD = "the password of this test's roles"
PARTS = ("auth", "variables", "audit")


@pytest.fixture
def environment(postgres_url: str, tmp_path: Path) -> dict[str, str]:
    """What the processes need to know; program and optimizer are away."""
    plain = {f"ASHGROVE_{s.upper()}_ADDRESS": f"127.0.0.1:{free_port()}" for s in (*PARTS, "program", "optimizer")}
    host = postgres_url.partition("@")[2]
    return {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PATH": "/usr/bin:/bin",
        "ASHGROVE_SERVICE_PORT": "0",
        "ASHGROVE_DATABASE_URL": f"postgresql://{host}",
        "ASHGROVE_DATABASE_PASSWORD": PASSWORD,
        "ASHGROVE_ADMIN_DATABASE_URL": postgres_url,
        "ASHGROVE_REDIS_URL": "redis://127.0.0.1:1/0",
        "ASHGROVE_SECRETS": str(tmp_path / "secrets"),
        "ASHGROVE_HOME": str(tmp_path),
        **plain,
    }


def command(service: str, verb: str) -> list[str]:
    """The command line of a service's process."""
    return [sys.executable, "-m", f"services.{service}", verb]


def prepare(environment: dict[str, str]) -> None:
    """Migrates every schema and makes the secrets."""
    for part in PARTS:
        subprocess.run(command(part, "migrate"), env=environment, check=True)
    subprocess.run(command("auth", "bootstrap"), env=environment, check=True)


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[None]:
    """The three services, each a process on its port."""
    processes = [
        subprocess.Popen(
            command(part, "serve"),
            env=environment | {"ASHGROVE_SERVICE_PORT": environment[f"ASHGROVE_{part.upper()}_ADDRESS"].split(":")[1]},
        )
        for part in PARTS
    ]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            assert process.wait(30) == 0


async def ready(address: str) -> None:
    """Returns once the process says that it serves."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        while True:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(0.05)


async def recorded(postgres_url: str, organization: str) -> list[tuple[str, str]]:
    """Returns the sources and types of an organization's entries, once there is one from variables."""
    query = "SELECT source, type FROM audit.audit_entries WHERE organization_id = %s ORDER BY sequence"
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        while True:
            rows = await (await connection.execute(query, (organization,))).fetchall()
            if rows:
                return [(str(source), str(kind)) for source, kind in rows]
            await asyncio.sleep(0.05)


async def test_what_another_process_tells_is_recorded(environment: dict[str, str], postgres_url: str) -> None:
    """Though two of the services are away."""
    await asyncio.to_thread(prepare, environment)
    organization = str(new_id())
    with serving(environment):
        for part in PARTS:
            await asyncio.wait_for(ready(environment[f"ASHGROVE_{part.upper()}_ADDRESS"]), 30)
        event = f'{{"id": "{new_id()}", "type": "test.happened", "organization_id": "{organization}"}}'
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "INSERT INTO variables.outbox (organization_id, event) VALUES (%s, %s)", (organization, event)
            )
        assert await asyncio.wait_for(recorded(postgres_url, organization), 30) == [("variables", "test.happened")]
