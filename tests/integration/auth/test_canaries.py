"""No sensitive value leaves the auth service but in the answer that is for it: grepped from a real process at DEBUG."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from ashgrove.auth.v1 import auth_internal_service_pb2, auth_service_pb2
from google.protobuf import message_factory
from google.protobuf.message import Message

from framework.resource.fields import is_sensitive
from framework.resource.sensitive import holds_secrets, secrets_in
from framework.rpc.channels import as_caller
from framework.storage import Database
from framework.testing.canaries import plant, tables_of
from framework.testing.spans import Collector, collecting
from tests.integration.auth.house import PASSWORD
from tests.integration.auth.stage import Stage
from tests.integration.auth.test_processes import admitted, identity_of

CANARY = "canary-5e1b2c"
SERVICES = (
    auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"],
    auth_internal_service_pb2.DESCRIPTOR.services_by_name["AuthInternalService"],
)
# As they are, too long for every bound, with what cannot be stored, and with what a log line would have to escape.
PLANTED = [CANARY, CANARY * 200, f"{CANARY}\0", f'{CANARY}"\n\\']


def requests() -> Iterator[tuple[str, Any, type[Message]]]:
    """Yields every RPC with a request that bears canaries where it may bear secrets, and its response's class."""
    for service in SERVICES:
        for method in service.methods:
            if method.server_streaming:
                continue
            request, response = (message_factory.GetMessageClass(m) for m in (method.input_type, method.output_type))
            for word in PLANTED if holds_secrets(method.input_type) else [CANARY]:
                yield f"/{service.full_name}/{method.name}", plant(request(), word), response


async def ask(channel: grpc.aio.Channel, path: str, request: Any, response: Any, token: str) -> tuple[Any, str]:
    """Returns the answer, if there is one, and all that a refusal says, its details included."""
    call = channel.unary_unary(path, request.SerializeToString, response.FromString)
    try:
        return await call(request, metadata=as_caller(token) if token else None, timeout=30), ""
    except grpc.aio.AioRpcError as error:
        told = [
            error.details(),
            error.debug_error_string(),
            *(f"{k}: {v!r}" for k, v in error.trailing_metadata() or ()),
        ]
        return None, "\n".join(map(str, told))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


async def test_sensitive_values_reach_no_log_no_error_no_span_and_no_table(stage: Stage, collector: Collector) -> None:
    """Neither those that clients send nor those that they are told: keys and tokens rest as hashes only."""
    stage.environment["ASHGROVE_OTLP_ENDPOINT"] = collector.endpoint
    stage.environment["ASHGROVE_LOG_LEVEL"] = "DEBUG"
    secrets = {stage.key}
    async with stage.running("serve") as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        people = "/ashgrove.auth.v1.AuthService"
        classes = {path: (type(request), response) for path, request, response in requests()}

        async def do(rpc: str, token: str, **fields: Any) -> Any:
            request, response = classes[f"{people}/{rpc}"]
            answer, told = await ask(channel, f"{people}/{rpc}", request(**fields), response, token)
            assert not told
            secrets.update(secrets_in(answer))
            return answer

        signed_in = await do("Authenticate", "", api_key=stage.key)
        admin = identity_of(stage, signed_in.user)
        made = await do("CreateApiKey", admin, api_key={"name": "one"})
        await do("RotateApiKey", admin, id=made.api_key.id)
        await do("RefreshAccessToken", "", refresh_token=signed_in.refresh_token)
        for path, request, response in requests():
            for token in ("", admin, f"{CANARY}.{CANARY}.{CANARY}"):
                answer, told = await ask(channel, path, request, response, token)
                assert CANARY not in told, path
                assert answer is None or CANARY not in str(answer), path
    assert len(secrets) >= 6
    log, spans = stage.log, b"".join(collector.bodies)
    assert {f"/{span.name}" for _, span in collector.spans} >= set(classes), "every call left its span"
    assert '"level": "DEBUG"' in log
    database = Database(stage.url, PASSWORD, "auth", size=2)
    await database.open()
    try:
        tables = await tables_of(database)
    finally:
        await database.close()
    assert {"outbox", "replays", "users", "api_keys"} <= tables.keys()
    for secret in (CANARY, *secrets):
        assert secret not in log
        assert secret.encode() not in spans
        for table, text in tables.items():
            assert secret not in text, table


async def test_the_gate_logs_no_credential(stage: Stage) -> None:
    """Neither one that holds nor one that does not, wherever it was sent."""
    stage.environment["ASHGROVE_LOG_LEVEL"] = "DEBUG"
    async with stage.running("authz") as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for credential in (stage.key, f"{stage.key[:-8]}{CANARY}", CANARY, f"{CANARY}.{CANARY}.{CANARY}"):
            await admitted(channel, credential)
    assert '"level": "DEBUG"' in stage.log
    assert CANARY not in stage.log and stage.key not in stage.log


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
def test_no_secret_is_part_of_an_address(service: Any) -> None:
    """Addresses are logged by every proxy: what is sensitive travels in bodies."""
    from google.api import annotations_pb2

    for method in service.methods:
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        if holds_secrets(method.input_type):
            assert not rule.get and (not rule.WhichOneof("pattern") or rule.body == "*"), method.name
            assert not [f for f in method.input_type.fields if is_sensitive(f) and f"{{{f.name}" in str(rule)]
