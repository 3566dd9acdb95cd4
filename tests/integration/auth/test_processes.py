"""The processes of auth as they are started in earnest: bootstrap, then ext_authz, stopped by SIGTERM."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import psycopg
import pytest
from ashgrove.auth.v1 import auth_internal_service_pb2 as internal
from ashgrove.auth.v1 import auth_internal_service_pb2_grpc as internal_grpc
from ashgrove.auth.v1 import auth_service_pb2, auth_service_pb2_grpc, user_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from deploy.local.ports import free_port
from framework.call import Actor, ActorKind, Role
from framework.errors import GrantLost
from framework.rpc.channels import as_caller
from framework.rpc.service_tokens import ServiceTokens
from services.auth.tokens import read_tokens
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

    @property
    def key(self) -> str:
        return (self.home / "admin.key").read_text().strip()

    async def run(self, command: str) -> None:
        process = await self.start(command)
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()


@pytest.fixture
async def stage(postgres_url: str, tmp_path: Path) -> Stage:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = f"auth_{uuid.uuid4().hex}"
        connection.execute(f"CREATE DATABASE {name}")
    staged = Stage(tmp_path, migrated(f"{postgres_url.rsplit('/', 1)[0]}/{name}"))
    await staged.run("bootstrap")
    return staged


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


@asynccontextmanager
async def running(stage: Stage, channel: grpc.aio.Channel, command: str) -> AsyncIterator[None]:
    """Runs a process while it is healthy; afterwards it must end cleanly on SIGTERM."""
    process = await stage.start(command)
    try:
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
        while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
            pass
        watch.cancel()  # else the process would wait for it when it drains
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors


async def test_a_gate_opens_to_the_first_key_and_hears_of_its_revocation(
    stage: Stage, channel: grpc.aio.Channel
) -> None:
    """Bootstrap may be repeated; its key opens the gate, revoking it closes it."""
    key = stage.key
    await stage.run("bootstrap")
    assert stage.key == key
    async with running(stage, channel, "authz"):
        assert await admitted(channel, key)
        assert not await admitted(channel, key[:-1])
        async with await psycopg.AsyncConnection.connect(
            stage.url, user="auth_system", password=PASSWORD, options="-c search_path=auth"
        ) as connection:
            await connection.execute("UPDATE api_keys SET revoked_at = now()")
        async with asyncio.timeout(10):
            while await admitted(channel, key):
                pass


async def test_the_service_speaks_to_people_and_to_services(stage: Stage, channel: grpc.aio.Channel) -> None:
    """Over the wire: sign in, prove a service, lend and use a grant; and every refusal carries its reason."""
    async with running(stage, channel, "serve"):
        people = auth_service_pb2_grpc.AuthServiceStub(channel)
        services = internal_grpc.AuthInternalServiceStub(channel)
        signed_in = await people.Authenticate(auth_service_pb2.AuthenticateRequest(api_key=stage.key))
        admin = identity_of(stage, signed_in.user)
        organizations = await people.ListOrganizations(
            auth_service_pb2.ListOrganizationsRequest(), metadata=as_caller(admin)
        )
        assert [o.name for o in organizations.organizations] == ["default"]
        secret = (stage.home / "secrets" / "optimizer.secret").read_text().strip()
        tokens = ServiceTokens(services, internal, "optimizer", secret)
        request = internal.CreateGrantRequest(
            run_id=str(uuid.uuid4()), service="optimizer", actions=["EvaluateProgram"]
        )
        grant = (await services.CreateGrant(request, metadata=as_caller(admin))).grant_id
        assert await tokens.exchange(grant)
        with pytest.raises(grpc.aio.AioRpcError) as bounded:
            await people.ListUsers(
                auth_service_pb2.ListUsersRequest(), metadata=as_caller(await tokens.exchange(grant))
            )
        assert reason_of(bounded.value) == "NOT_PERMITTED"
        await services.EndGrant(internal.EndGrantRequest(grant_id=grant), metadata=as_caller(await tokens.own()))
        tokens.forget(grant)
        with pytest.raises(GrantLost):
            await tokens.exchange(grant)
        for token in (signed_in.access_token, "nonsense", ""):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await people.ListUsers(
                    auth_service_pb2.ListUsersRequest(), metadata=as_caller(token) if token else None
                )
            assert reason_of(refused.value) == "CREDENTIAL_REFUSED"


def identity_of(stage: Stage, user: user_pb2.User) -> str:
    """Signs what ext_authz would sign for the administrator."""
    tokens = read_tokens(stage.home / "secrets", access_seconds=900, identity_seconds=60)
    with psycopg.connect(stage.url, user="auth_system", password=PASSWORD, options="-c search_path=auth") as connection:
        row = connection.execute("SELECT organization_id FROM users WHERE id = %s", (user.id,)).fetchone()
    assert row is not None
    return tokens.issue_identity(Actor(ActorKind.USER, user.id, row[0], Role.ADMIN, operator=True)).text


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return str(info.reason)
