"""Hints and limits reach Redis by TLS on both sides; without the right certificates they do without Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.valkey import Valkey, valkey
from framework.events.hints import Hints
from framework.settings import TlsSettings
from services.auth.buckets import Bucket, Buckets
from tests.integration.transport.tunnel import tunnel
from tests.trust import Trust

NAMES = ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> object:
    with valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("ours"))


def url_of(server: Valkey, port: int, tls: TlsSettings) -> str:
    """Returns the server's URL by TLS, as the settings make it."""
    url = server.url.replace("redis://", "rediss://").replace(f":{server.port}/", f":{port}/")
    return tls.with_files(url, NAMES, asked=True)


@asynccontextmanager
async def hinting(url: str) -> AsyncIterator[Hints]:
    hints = Hints(url)
    listening = asyncio.create_task(hints.run())
    try:
        yield hints
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await hints.close()


async def test_hints_and_buckets_work_through_tls(broker: Valkey, ours: Trust) -> None:
    async with tunnel(ours, "redis", broker.port) as port:
        url = url_of(broker, port, ours.settings("optimizer"))
        async with hinting(url) as hints:
            while not hints.alive:  # noqa: ASYNC110 - it becomes so in another task
                await asyncio.sleep(0.01)
            heard = asyncio.Event()
            with hints.bound("a topic", heard):
                await hints.publish("a topic")
                await heard.wait()
        buckets = Buckets(url)
        await buckets.take([Bucket("key:1", 1, 1)])
        while not buckets.shared:  # the first handshake may be late on a busy machine
            await asyncio.sleep(0.2)
            await buckets.take([Bucket("key:1", 1, 1)])
        await buckets.close()


@pytest.mark.parametrize("what", ["plain", "their certificate", "their server"])
async def test_without_the_right_certificates_there_is_no_redis(
    broker: Valkey, ours: Trust, tmp_path: Path, what: str
) -> None:
    theirs = Trust(tmp_path / "theirs")
    mixed = theirs.settings("optimizer").model_copy(update={"tls_authority": ours.file})
    async with tunnel(theirs if what == "their server" else ours, "redis", broker.port) as port:
        url = {
            "plain": url_of(broker, port, ours.settings("optimizer"))
            .replace("rediss://", "redis://")
            .partition("?")[0],
            "their certificate": url_of(broker, port, mixed),
            "their server": url_of(broker, port, ours.settings("optimizer")),
        }[what]
        buckets = Buckets(url)
        taken = await buckets.take([Bucket("key:2", 1, 1)])
        assert taken.wait_seconds == 0  # calls go on, paced by this process alone
        assert not buckets.shared
        await buckets.close()
