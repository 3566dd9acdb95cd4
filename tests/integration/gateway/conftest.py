"""One gateway for every test that asks for nothing of its own: most of a test's time was the start of Envoy."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.gateway.stage import ORIGIN, Gateway, gateway

SHARED = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _plain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("plain")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _open(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("open"), (ORIGIN,)) as running:
        yield running


@pytest.fixture
def plain(_plain: Gateway) -> Gateway:
    """A gateway as it is without settings of its own; no call has reached the service."""
    _plain.runs.begin_anew()
    return _plain


@pytest.fixture
def open_to_one_origin(_open: Gateway) -> Gateway:
    """The same, open to pages of one origin."""
    _open.runs.begin_anew()
    return _open
