"""What Envoy itself answers REST callers has the shape of every other error."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from ashgrove.error.v1.reason_pb2 import Reason
from envoy.service.auth.v3.external_auth_pb2_grpc import AuthorizationServicer, add_AuthorizationServicer_to_server
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from framework import errors
from gateway.envoy import local_replies
from gateway.envoy.local_limit import LocalLimit
from tests.integration.gateway.conftest import SHARED
from tests.integration.gateway.stage import Answer, Gateway, Runs, envoy, gateway

RUN = "/v1/optimizationRuns/a"
REFUSED: list[tuple[str, str, bytes, dict[str, str], int, str]] = [
    ("GET", "/v1/nothing", b"", {}, 404, "UNKNOWN_ROUTE"),
    ("GET", "/nothing", b"", {}, 404, "UNKNOWN_ROUTE"),
    ("DELETE", RUN, b"", {}, 404, "UNKNOWN_ROUTE"),
    ("GET", "/v1/optimizationRuns/:watch", b"", {}, 404, "UNKNOWN_ROUTE"),
    ("GET", "/v1/optimizationRuns/?page_size=1", b"", {}, 404, "UNKNOWN_ROUTE"),
    ("GET", f"{RUN}?nonsense=1", b"", {}, 400, "MALFORMED_REQUEST"),
    ("GET", f"{RUN}%2Fb", b"", {}, 400, "MALFORMED_REQUEST"),
    ("POST", "/v1/optimizationRuns", b"{", {}, 400, "MALFORMED_REQUEST"),
    ("POST", "/v1/optimizationRuns", b'{"max_trials": "many"}', {}, 400, "MALFORMED_REQUEST"),
    ("POST", "/v1/optimizationRuns", b"x" * 5_000_000, {}, 413, "REQUEST_TOO_LARGE"),
]


async def status_of(answer: Answer) -> tuple[status_pb2.Status, error_details_pb2.ErrorInfo]:
    """Returns a JSON error as the message that it stands for; raises when it is none."""
    assert answer.headers["content-type"] == "application/json"
    told: Any = json.loads(await answer.rest())
    status = ParseDict(told, status_pb2.Status())
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return status, info


@SHARED
@pytest.mark.parametrize(("method", "path", "body", "headers", "code", "reason"), REFUSED)
async def test_what_reaches_no_service_is_refused_in_the_usual_shape(
    plain: Gateway, method: str, path: str, body: bytes, headers: dict[str, str], code: int, reason: str
) -> None:
    """With a canonical code, words, a reason of ours and the page that tells about it."""
    answer = await plain.ask(method, path, body, **headers)
    status, info = await status_of(answer)
    assert (answer.status, info.reason, info.domain) == (code, reason, errors.DOMAIN)
    assert info.metadata["docs"] == errors.page_of(reason)
    assert status.message and status.code in {c.value[0] for c in grpc.StatusCode}


async def test_a_path_that_envoy_does_not_read_is_told_why(plain: Gateway) -> None:
    """Envoy itself has no words for it."""
    status, _ = await status_of(await plain.ask("GET", f"{RUN}%2Fb", b""))
    assert status.message == "the path cannot be read: it may hold no escaped slash (%2F)"


class Silent(AuthorizationServicer):
    """An ext_authz that takes every question and answers none."""

    async def Check(self, request: Any, context: Any) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize("is_there", [False, True])
async def test_an_ext_authz_that_does_not_answer_is_told_as_unavailable(tmp_path: Path, is_there: bool) -> None:
    """And nothing of what stands behind the gateway: whoever is not known to be let in is not."""
    server, health = grpc.aio.server(), HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if is_there:
        add_AuthorizationServicer_to_server(Silent(), server)
    upstream = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with envoy(tmp_path, upstream, ()) as port:
            answer = await Gateway(port, Runs()).ask("GET", RUN)  # type: ignore[abstract] # nothing reaches it
            status, info = await status_of(answer)
    finally:
        await server.stop(0)
    assert (answer.status, status.code, info.reason) == (503, 14, "DEPENDENCY_UNAVAILABLE")
    assert status.message == local_replies.UNAVAILABLE.message


async def test_an_address_that_floods_is_stopped_before_any_work(tmp_path: Path) -> None:
    """Whatever credential it sends, and ext_authz is not even asked."""
    async with gateway(tmp_path, limit=LocalLimit(per_second=1, burst=3)) as running:
        answers = await asyncio.gather(*(running.ask("GET", RUN, authorization="wrong") for _ in range(30)))
        refused = [answer for answer in answers if answer.status == 429]
        assert len(refused) > 10 and {answer.status for answer in answers} == {401, 429}
        status, info = await status_of(refused[0])
    assert (status.code, info.reason, refused[0].headers["retry-after"]) == (8, "LIMIT_REACHED", "1")


@SHARED
async def test_a_plus_is_a_space_in_queries(plain: Gateway) -> None:
    """As browsers and form encoders write it."""
    await (await plain.ask("GET", "/v1/optimizationRuns?filter=name+%3D+%22a%2Bb%22")).rest()
    assert plain.runs.filters == ['name = "a+b"']


def test_envoys_own_reasons_are_reasons_of_ours() -> None:
    """With the same domain and, where a failure of ours has the reason, the same code."""
    codes = {f.reason: f.code.value[0] for f in errors.kinds()}
    assert local_replies.DOMAIN == errors.DOMAIN
    for told in [*local_replies.REPLIES.values(), local_replies.CALLER, local_replies.OURS]:
        assert codes.get(Reason.Value(f"REASON_{told.reason}"), told.code) == told.code
