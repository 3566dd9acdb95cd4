"""The processes of auth as they are started in earnest: bootstrap, the API and ext_authz, stopped by SIGTERM."""

import uuid

import grpc
import psycopg
import pytest
from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import auth_internal_service_pb2 as internal
from ashgrove.auth.v1 import auth_internal_service_pb2_grpc as internal_grpc
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.authentication_requests_pb2 import AuthenticateRequest
from ashgrove.auth.v1.organization_requests_pb2 import ListOrganizationsRequest
from ashgrove.auth.v1.user_requests_pb2 import ListUsersRequest
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from framework.call import Actor, ActorKind, Role
from framework.errors import GrantLost
from framework.rpc.channels import as_caller
from framework.rpc.service_tokens import ServiceTokens
from services.auth.tokens import read_tokens
from tests.integration.auth.house import PASSWORD
from tests.integration.auth.stage import Stage

_REVOKE = "UPDATE api_keys SET revoked_at = now() WHERE user_id IN (SELECT id FROM users WHERE operator)"
GET = "/ashgrove.program.v1.ProgramService/GetProgram"


async def admitted(channel: grpc.aio.Channel, key: str) -> bool:
    request = external_auth_pb2.CheckRequest()
    request.attributes.request.http.path = GET
    request.attributes.request.http.headers["authorization"] = f"Bearer {key}"
    response = await external_auth_pb2_grpc.AuthorizationStub(channel).Check(request)  # type: ignore[no-untyped-call]
    return bool(response.HasField("ok_response"))


async def test_a_gate_opens_to_the_first_key_and_hears_of_its_revocation(stage: Stage) -> None:
    """Bootstrap may be repeated; its keys open the gate, revoking one closes it."""
    key, kept = (stage.home / "operator.key").read_text().strip(), stage.key
    await stage.run("bootstrap")
    assert stage.key == kept
    async with stage.running("authz") as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await admitted(channel, key)
        assert not await admitted(channel, key[:-1])
        async with await psycopg.AsyncConnection.connect(
            stage.url, user="auth_system", password=PASSWORD, options="-c search_path=auth"
        ) as connection:
            await connection.execute(_REVOKE)
        while await admitted(channel, key):
            pass
        assert await admitted(channel, kept)


async def test_the_service_speaks_to_people_and_to_services(stage: Stage) -> None:
    """Over the wire: sign in, prove a service, lend and use a grant; and every refusal carries its reason."""
    async with stage.running("serve") as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        people = AuthArea(channel)
        services = internal_grpc.AuthInternalServiceStub(channel)
        signed_in = await people.Authenticate(AuthenticateRequest(api_key=stage.key))
        admin = identity_of(stage, signed_in.user)
        organizations = await people.ListOrganizations(ListOrganizationsRequest(), metadata=as_caller(admin))
        assert [o.name for o in organizations.organizations] == ["default"]
        secret = (stage.home / "secrets" / "optimizer.secret").read_text().strip()
        tokens = ServiceTokens(services, internal, "optimizer", secret)
        request = internal.CreateGrantRequest(
            run_id=str(uuid.uuid4()), service="optimizer", actions=["EvaluateProgram"]
        )
        grant = (await services.CreateGrant(request, metadata=as_caller(admin))).grant_id
        assert await tokens.exchange(grant)
        with pytest.raises(grpc.aio.AioRpcError) as bounded:
            await people.ListUsers(ListUsersRequest(), metadata=as_caller(await tokens.exchange(grant)))
        assert reason_of(bounded.value) == "NOT_PERMITTED"
        await services.EndGrant(internal.EndGrantRequest(grant_id=grant), metadata=as_caller(await tokens.own()))
        tokens.forget(grant)
        with pytest.raises(GrantLost):
            await tokens.exchange(grant)
        for token in (signed_in.access_token, "nonsense", ""):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await people.ListUsers(ListUsersRequest(), metadata=as_caller(token) if token else None)
            assert reason_of(refused.value) == "CREDENTIAL_REFUSED"


def identity_of(stage: Stage, user: user_pb2.User) -> str:
    """Signs what ext_authz would sign for the administrator."""
    tokens = read_tokens(stage.home / "secrets", access_seconds=900, identity_seconds=60)
    with psycopg.connect(stage.url, user="auth_system", password=PASSWORD, options="-c search_path=auth") as connection:
        row = connection.execute("SELECT organization_id FROM users WHERE id = %s", (user.id,)).fetchone()
    assert row is not None
    return tokens.issue_identity(Actor(ActorKind.USER, user.id, row[0], Role.ADMIN)).text


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return str(info.reason)
