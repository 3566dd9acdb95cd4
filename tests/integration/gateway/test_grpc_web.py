"""gRPC-Web through a real Envoy, in both encodings, with what a browser asks before it calls another origin."""

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as runs
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetOptimizationRunRequest,
    WatchOptimizationRunRequest,
    WatchOptimizationRunResponse,
)
from google.protobuf.message import Message

from tests.integration.gateway.browser import Reply, asked, told
from tests.integration.gateway.conftest import SHARED
from tests.integration.gateway.stage import ORIGIN, Answer, Gateway

pytestmark = SHARED
SERVICE = "/ashgrove.optimizer.v1.OptimizerService"
BINARY, TEXT = "application/grpc-web+proto", "application/grpc-web-text"
both = pytest.mark.parametrize("kind", [BINARY, "application/grpc-web", TEXT, "application/grpc-web-text+proto"])


async def call(envoy: Gateway, kind: str, rpc: str, request: Message, **headers: str) -> Answer:
    """Calls as a gRPC-Web library does."""
    sent = {"content_type": kind, "accept": kind, "x_grpc_web": "1", "x_user_agent": "grpc-web-javascript/0.1"}
    body = asked(request, as_text="text" in kind)
    return await envoy.ask("POST", f"{SERVICE}/{rpc}", body, **sent | headers)


@both
async def test_unary_and_streaming_calls(plain: Gateway, kind: str) -> None:
    """Messages arrive one by one as they are sent, and the status comes last, in a frame of its own."""
    reply, text = Reply(), "text" in kind
    answer = await call(plain, kind, "GetOptimizationRun", GetOptimizationRunRequest(id="a"))
    assert answer.headers["content-type"].startswith(TEXT if text else BINARY)
    (run,) = told([await answer.rest()], runs.OptimizationRun, reply, as_text=text)
    assert (run.name, reply.status) == ("a run", 0)

    reply, frame = Reply(), WatchOptimizationRunResponse
    answer = await call(plain, kind, "WatchOptimizationRun", WatchOptimizationRunRequest(id="a"))
    (first,) = told([await answer.piece()], frame, reply, as_text=text)
    assert (first.item.sequence, reply.status) == (1, None)
    plain.runs.go.set()
    second, last = told([await answer.rest()], frame, reply, as_text=text)
    assert (second.item.sequence, last.end.status.message, reply.status) == (2, "done", 0)


@both
async def test_refusals_have_grpc_statuses(plain: Gateway, kind: str) -> None:
    """Service and ext_authz alike refuse with HTTP 200, a status and a message, and without a body."""
    request = GetOptimizationRunRequest(id="missing")
    missing = await call(plain, kind, "GetOptimizationRun", request)
    unknown = await call(plain, kind, "GetOptimizationRun", request, authorization="Bearer nonsense")
    for answer, status, words in ((missing, 5, "no run missing"), (unknown, 16, "a valid API key")):
        reply = Reply()
        reply.take(answer.headers)
        assert (answer.status, reply.status) == (200, status)
        assert words in reply.message
        assert reply.trailers["grpc-status-details-bin"]
        assert await answer.rest() == b""


async def preflight(envoy: Gateway, path: str, origin: str) -> Answer:
    """Asks what a browser asks before a page of another origin may call; it sends no credential."""
    wanted = "authorization,content-type,x-ashgrove-organization,x-grpc-web,x-user-agent"
    sent = {"access_control_request_method": "POST", "access_control_request_headers": wanted}
    return await envoy.ask("OPTIONS", path, b"", authorization="", origin=origin, **sent)


async def test_an_allowed_origin_may_call_and_read_the_status(open_to_one_origin: Gateway) -> None:
    """The preflight allows what gRPC-Web sends, the answer exposes what it reads; no cookies are involved."""
    envoy = open_to_one_origin
    for path in (f"{SERVICE}/GetOptimizationRun", "/v1/optimizationRuns/a:watch"):
        allowed = await preflight(envoy, path, ORIGIN)
        assert allowed.status == 200
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in allowed.headers["access-control-allow-methods"]
        names = set(allowed.headers["access-control-allow-headers"].split(", "))
        assert {"authorization", "content-type", "x-ashgrove-organization", "x-grpc-web", "x-user-agent"} <= names
        assert "access-control-allow-credentials" not in allowed.headers
    for identifier, authorization in (("a", "Bearer good"), ("missing", "Bearer good"), ("a", "Bearer nonsense")):
        request = GetOptimizationRunRequest(id=identifier)
        credentials = {"authorization": authorization, "origin": ORIGIN}
        answer = await call(envoy, BINARY, "GetOptimizationRun", request, **credentials)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = set(answer.headers["access-control-expose-headers"].split(", "))
        assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= exposed
    envoy.runs.go.set()
    accept = {"accept": "text/event-stream", "origin": ORIGIN}
    events = await envoy.ask("GET", "/v1/optimizationRuns/a:watch", b"", **accept)
    assert events.headers["access-control-allow-origin"] == ORIGIN


async def test_other_origins_may_not(plain: Gateway, open_to_one_origin: Gateway) -> None:
    """Without leave there is no CORS header, for strangers where some are allowed and for all where none is."""
    for envoy, origin in ((open_to_one_origin, "https://evil.example.org"), (plain, ORIGIN)):
        refused = await preflight(envoy, f"{SERVICE}/GetOptimizationRun", origin)
        answer = await call(envoy, BINARY, "GetOptimizationRun", GetOptimizationRunRequest(id="a"), origin=origin)
        headers = refused.headers | answer.headers
        assert not [name for name in headers if name.startswith("access-control-")]
