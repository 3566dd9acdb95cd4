"""Between services: whoever answers is the service that was meant, whoever calls belongs here, and nothing is plain."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from framework.rpc.channels import channel_to
from framework.rpc.server import Process, _listen
from framework.rpc.tls import server_credentials
from framework.settings import TlsSettings
from tests.trust import Trust

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("theirs"))


@asynccontextmanager
async def listening(tls: TlsSettings | None) -> AsyncIterator[str]:
    """Listens as a process does, on a free port."""
    server, healthy = aio.server(), health.aio.HealthServicer()  # type: ignore[attr-defined, unused-ignore]
    await healthy.set("", SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    port = _listen(server, Process("program", "127.0.0.1", 0, tls=tls))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def answer(address: str, tls: TlsSettings | None, service: str = "program") -> object:
    """Returns what a service's health is to whoever has these settings; the code when there is no answer."""
    async with channel_to(address, tls, service) as channel:
        try:
            told = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except aio.AioRpcError as error:
            return error.code()
        return told.status


async def test_both_sides_show_who_they_are(ours: Trust) -> None:
    async with listening(ours.settings("program")) as address:
        assert await answer(address, ours.settings("optimizer")) == SERVING
        assert await answer(f"{address},{address}", ours.settings("optimizer")) == SERVING


async def test_whoever_does_not_belong_here_is_refused(ours: Trust, theirs: Trust) -> None:
    stranger = theirs.settings("optimizer")
    mixed = stranger.model_copy(update={"tls_authority": ours.file})
    anonymous = grpc.ssl_channel_credentials(ours.authority.pem)
    async with listening(ours.settings("program")) as address:
        assert await answer(address, None) is grpc.StatusCode.UNAVAILABLE  # plain
        assert await answer(address, mixed) is grpc.StatusCode.UNAVAILABLE  # another authority's certificate
        assert await answer(address, ours.settings("expired", days=-0.001)) is grpc.StatusCode.UNAVAILABLE
        async with aio.secure_channel(address, anonymous) as channel:
            with pytest.raises(aio.AioRpcError):
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert await answer(address, ours.settings("optimizer")) == SERVING


@pytest.mark.parametrize("who", ["another service", "another authority", "plain", "expired"])
async def test_a_channel_speaks_to_the_service_that_was_meant_only(ours: Trust, theirs: Trust, who: str) -> None:
    shown = {
        "another service": ours.settings("auth", ["localhost", "127.0.0.1"]),
        "another authority": theirs.settings("program", mutual=False),
        "expired": ours.settings("program", days=-0.001),
        "plain": None,
    }[who]
    async with listening(shown) as address:
        assert await answer(address, ours.settings("optimizer")) is grpc.StatusCode.UNAVAILABLE


async def test_callers_need_no_certificate_where_the_setting_says_so(ours: Trust) -> None:
    async with listening(ours.settings("program", mutual=False)) as address:
        credentials = grpc.ssl_channel_credentials(ours.authority.pem)
        async with aio.secure_channel(address, credentials) as channel:
            told = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert told.status == SERVING


async def test_a_renewed_certificate_is_shown_to_the_next_connection(ours: Trust) -> None:
    caller, settings = ours.settings("optimizer"), ours.settings("variables")
    async with listening(settings) as address:
        assert await answer(address, caller, "variables") == SERVING
        ours.keep("variables", ours.authority.issue("renamed"))
        assert await answer(address, caller, "renamed") == SERVING
        assert await answer(address, caller, "variables") is grpc.StatusCode.UNAVAILABLE


async def test_a_half_written_renewal_leaves_the_old_certificate(ours: Trust, caplog: pytest.LogCaptureFixture) -> None:
    caller, settings = ours.settings("optimizer"), ours.settings("audit")
    assert settings.tls_key
    async with listening(settings) as address:
        settings.tls_key.write_bytes(ours.authority.issue("audit").key)
        with caplog.at_level(logging.WARNING):
            assert await answer(address, caller, "audit") == SERVING
        assert "the certificate stays as it was" in caplog.text
        assert "PRIVATE" not in caplog.text


def test_a_key_of_another_certificate_stops_the_start(ours: Trust) -> None:
    settings = ours.settings("program")
    assert settings.tls_key
    settings.tls_key.write_bytes(ours.authority.issue("program").key)
    with pytest.raises(OSError, match="KEY_VALUES_MISMATCH"):
        server_credentials(settings)


def test_half_of_the_settings_is_refused(tmp_path: Path, ours: Trust) -> None:
    with pytest.raises(ValueError, match="ASHGROVE_TLS_KEY"):
        TlsSettings(tls_authority=ours.file)
    with pytest.raises(ValueError, match="tls_certificate"):
        TlsSettings.model_validate({"tls_certificate": tmp_path / "missing.pem"})
