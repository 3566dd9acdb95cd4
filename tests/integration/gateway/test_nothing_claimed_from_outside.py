"""Whatever a caller claims about who it is, no service hears it: over REST, gRPC and gRPC-Web, through a real Envoy."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from ashgrove.areas import OptimizerArea
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest

from tests.integration.gateway.conftest import SHARED
from tests.integration.gateway.stage import TOKEN, Answer, Gateway

pytestmark = SHARED
RUN = "/v1/optimizationRuns/a"
RPC = "/ashgrove.optimizer.v1.OptimizerService/GetOptimizationRun"
CANARY = "claimed-from-outside"
CLAIMS = (
    "x-ashgrove-identity",
    "x-ashgrove-actor",
    "x-ashgrove-role",
    "x-ashgrove-user",
    "x-ashgrove-operator",
    "x-ashgrove-internal-address",
    "x-ashgrove-internal-anything",
    "x-envoy-original-path",
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-decorator-operation",
    "x-envoy-peer-metadata",
    "x-forwarded-client-cert",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-access-token",
    "x-forwarded-authorization",
    "x-auth-request-user",
    "x-remote-user",
    "remote-user",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "forwarded",
    "proxy-authorization",
    "cookie",
)
FORGED = dict.fromkeys(CLAIMS, CANARY)


@asynccontextmanager
async def raw(port: int, head: bytes, body: bytes = b"") -> AsyncIterator[Answer | None]:
    """Sends bytes as they are and yields the answer; None when the gateway hangs up without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + body)
    try:
        yield await Answer.begun(reader, writer)
    except asyncio.IncompleteReadError:
        yield None
    finally:
        writer.close()


def claimed(running: Gateway) -> list[str]:
    """Returns the names of what the service heard of our claims in its last call."""
    return [name for name, value in running.runs.heads[-1] if CANARY in str(value)]


async def test_no_claim_passes_in_any_protocol(plain: Gateway) -> None:
    """The service hears the identity that ext_authz gave, once, and where the call came from."""
    answer = await plain.ask("GET", RUN, **{name.replace("-", "_"): value for name, value in FORGED.items()})
    assert answer.status == 200
    await heard(plain)
    request = GetOptimizationRunRequest(id="a")
    metadata = [("authorization", TOKEN), *FORGED.items(), ("x-ashgrove-identity-bin", CANARY.encode())]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plain.port}") as channel:
        await OptimizerArea(channel).GetOptimizationRun(request, metadata=metadata, timeout=30)
    await heard(plain)
    data = request.SerializeToString()
    sent = {"content_type": "application/grpc-web+proto", "x_grpc_web": "1"}
    forged = {name.replace("-", "_"): value for name, value in FORGED.items()}
    answer = await plain.ask("POST", RPC, struct.pack(">BI", 0, len(data)) + data, **sent, **forged)
    assert answer.status == 200
    await heard(plain)
    assert len(plain.runs.heads) == 3


async def heard(running: Gateway) -> None:
    """The last call came with what ext_authz gave, and with nothing that was claimed."""
    assert claimed(running) == []
    head = running.runs.heads[-1]
    assert [value for name, value in head if name == "authorization"] == ["Bearer identity"]
    assert [value for name, value in head if name == "x-ashgrove-internal-address"] == ["127.0.0.1"]
    assert [name for name, _ in head if name.startswith("x-ashgrove-")] == ["x-ashgrove-internal-address"]


TWICE = (
    b"authorization: Bearer good\r\nauthorization: Bearer good\r\n",
    b"authorization: Bearer good\r\nauthorization: Bearer bad\r\n",
    b"authorization: Bearer bad\r\nAuthorization: Bearer good\r\n",
    b"authorization: Bearer good,Bearer bad\r\n",
)


async def test_two_credentials_are_none(plain: Gateway) -> None:
    """Neither is chosen, whichever comes first."""
    for headers in TWICE:
        head = f"GET {RUN} HTTP/1.1\r\nhost: gateway\r\n".encode() + headers + b"\r\n"
        async with raw(plain.port, head) as answer:
            assert answer is not None and answer.status == 401, headers
    assert plain.runs.heads == []


INJECTED = {
    "a line end in a value": b"authorization: Bearer good\r\nx-a: b\nx-ashgrove-identity: root\r\n",
    "NUL in a value": b"authorization: Bearer good\0\r\n",
    "a folded line": b"authorization: Bearer\r\n good\r\n",
    "an underscore": b"authorization: Bearer good\r\nx_ashgrove_identity: root\r\n",
    "a blank before the colon": b"authorization : Bearer good\r\n",
    "two lengths": b"authorization: Bearer good\r\ncontent-length: 0\r\ncontent-length: 5\r\n",
    "length and chunks": b"authorization: Bearer good\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n",
    "an odd encoding": b"authorization: Bearer good\r\ntransfer-encoding: chunked, identity\r\n",
    "a huge value": b"authorization: Bearer " + b"a" * 100_000 + b"\r\n",
    "many headers": b"authorization: Bearer good\r\n" + b"".join(b"x-h%d: 1\r\n" % i for i in range(200)),
}


async def test_injected_and_oversized_headers_reach_no_service(plain: Gateway) -> None:
    """Refused or hung up on; a fold or a line end makes no second header, and nothing is smuggled in behind."""
    smuggled = f"GET {RUN} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer good\r\n\r\n".encode()
    for name, headers in INJECTED.items():
        head = f"POST {RUN} HTTP/1.1\r\nhost: gateway\r\n".encode() + headers + b"\r\n"
        async with raw(plain.port, head, smuggled if b"encoding" in headers else b"") as answer:
            assert answer is None or answer.status in {400, 401, 404, 431, 501}, name
        assert plain.runs.heads == [], name
    assert (await plain.ask("GET", RUN)).status == 200
    assert len(plain.runs.heads) == 1
