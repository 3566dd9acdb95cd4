"""The gateway by TLS: clients before it, ext_authz and services behind it; and what it tells browsers."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from ashgrove.areas import OptimizerArea
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest

from gateway.envoy.tls import Calling, Listening
from tests.integration.gateway.stage import AREAS, TOKEN, gateway
from tests.trust import Trust

RUN = "/v1/optimizationRuns/a"
INSIDE = (*AREAS, "authz")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trust]:
    yield Trust(tmp_path_factory.mktemp("ours"))


def client(port: int, authority: Path, shown: tuple[str, str] | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(authority))
    if shown:
        context.load_cert_chain(*shown)
    headers = {"authorization": TOKEN}
    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{port}", verify=context, headers=headers, trust_env=False, timeout=30
    )


async def test_clients_gateway_authz_and_services_speak_tls(tmp_path: Path, ours: Trust) -> None:
    """REST and gRPC; what is plain, and whoever shows a certificate of somebody else's, gets nowhere."""
    inside = ours.settings("inside", INSIDE)
    clients = Trust(tmp_path / "clients")
    mine = clients.pair("somebody")
    listening = Listening(ours.pair("gateway"), clients.file)
    calling = Calling(ours.pair("gateway"), ours.file)
    async with gateway(tmp_path, inside=inside, listening=listening, calling=calling) as running:
        shown = (str(mine.certificate), str(mine.key))
        async with client(running.port, ours.file, shown) as somebody:
            answer = await somebody.get(RUN)
            assert (answer.status_code, answer.json()["name"]) == (200, "a run")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert (await somebody.get(RUN, headers={"authorization": "nobody"})).status_code == 401
        credentials = grpc.ssl_channel_credentials(
            ours.authority.pem, mine.key.read_bytes(), mine.certificate.read_bytes()
        )
        async with grpc.aio.secure_channel(f"127.0.0.1:{running.port}", credentials) as channel:
            asked = GetOptimizationRunRequest(id="a")
            found = await OptimizerArea(channel).GetOptimizationRun(
                asked, metadata=[("authorization", TOKEN)], timeout=30
            )
            assert found.name == "a run"
        await refused(running.port, ours)


async def refused(port: int, ours: Trust) -> None:
    """Nobody without a certificate of the clients' authority is spoken to, and nobody without TLS."""
    other = ours.pair("another")
    for shown in (None, (str(other.certificate), str(other.key))):
        async with client(port, ours.file, shown) as stranger:
            # The alert of TLS 1.3 may meet the request's way out, where httpcore has no word of its own for it.
            with pytest.raises((httpx.TransportError, ssl.SSLError)):
                await stranger.get(RUN)
    async with httpx.AsyncClient(trust_env=False) as plain:
        with pytest.raises(httpx.TransportError):
            await plain.get(f"http://127.0.0.1:{port}{RUN}")


@pytest.mark.parametrize("who", ["by another name", "of another authority"])
async def test_the_gateway_passes_nothing_on_to_a_service_that_is_not_the_one(
    tmp_path: Path, ours: Trust, who: str
) -> None:
    """Neither calls nor credentials: without ext_authz, which is not the one either, nobody gets in."""
    theirs = Trust(tmp_path / "theirs")
    shown = ours.settings("inside", ("localhost", "127.0.0.1"))
    if who == "of another authority":
        shown = theirs.settings("inside", INSIDE, mutual=False)
    calling = Calling(ours.pair("gateway"), ours.file)
    async with gateway(tmp_path, inside=shown, calling=calling, awaited=False) as running:
        answer = await running.ask("GET", RUN)
        assert answer.status == 503
        assert running.runs.seen == []


PREFLIGHT = {"access_control_request_method": "GET", "access_control_request_headers": "authorization"}
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


async def test_every_answer_carries_the_security_headers(tmp_path: Path) -> None:
    """A service's answer, its refusals, ext_authz's, Envoy's own before and after the filters; no promise of TLS."""
    asked = [
        ("GET", RUN, {}, 200),
        ("GET", "/v1/optimizationRuns/missing", {}, 404),
        ("GET", RUN, {"authorization": "nobody"}, 401),
        ("GET", "/nothing", {}, 404),
        ("GET", f"{RUN}%2Fb", {}, 400),
        ("GET", f"{RUN}?nonsense=1", {}, 400),
        ("GET", "/healthz", {}, 200),
    ]
    async with gateway(tmp_path) as running:
        for method, path, headers, status in asked:
            answer = await running.ask(method, path, **headers)
            assert answer.status == status, path
            assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY, path
            assert "strict-transport-security" not in answer.headers
            assert not [name for name in answer.headers if name.startswith("x-envoy-") or name == "server"], path
        preflight = await running.ask("OPTIONS", RUN, origin="https://app.example.org", **PREFLIGHT)
        assert not [name for name in preflight.headers if name.startswith("access-control-")]  # no origin is named
        events = await running.ask("GET", f"{RUN}:watch", accept="text/event-stream")
        assert (events.headers["cache-control"], events.headers["x-accel-buffering"]) == ("no-cache", "no")
        assert events.headers["x-content-type-options"] == "nosniff"


async def test_pages_of_other_origins_get_no_leave(tmp_path: Path) -> None:
    """Those that are named alone, and never with cookies."""
    app, evil = "https://app.example.org", ("https://evil.example", "https://app.example.org.evil.example", "null")
    async with gateway(tmp_path, (app,)) as running:
        for origin in (app, *evil):
            for answer in (
                await running.ask("OPTIONS", RUN, authorization="", origin=origin, **PREFLIGHT),
                await running.ask("GET", RUN, origin=origin),
            ):
                assert answer.headers.get("access-control-allow-origin") == (app if origin == app else None)
                assert "access-control-allow-credentials" not in answer.headers
