"""The optimizer's engine on a real database, alone and among its peers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from framework.testing.workbench import Workbench, workbench
from services.optimizer.registry import registry
from tests.integration.optimizer.books import MIGRATIONS, Grants
from tests.integration.optimizer.neighbourhood import Neighbourhood, neighbourhood, urls


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    """The engine and a new organization; no peer is asked by what is tested with it."""
    async with workbench(registry(), postgres_url, MIGRATIONS, Grants()) as made:
        yield made


@pytest.fixture(scope="session")
def neighbour_urls(postgres_url: str) -> tuple[str, str]:
    """The databases of the peers."""
    return urls(postgres_url)


@pytest.fixture
async def around(neighbour_urls: tuple[str, str], tmp_path: Path) -> AsyncIterator[Neighbourhood]:
    """The optimizer with its peers around it, and a new organization."""
    async with neighbourhood(*neighbour_urls, tmp_path / "secrets") as made:
        await made.forget_open_work()
        yield made
