"""The optimizer's engine on a real database; no peer is asked by what is tested with it."""

from collections.abc import AsyncIterator

import pytest

from framework.testing.workbench import Workbench, workbench
from services.optimizer.resources import registry
from tests.integration.optimizer.books import MIGRATIONS, Grants


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    """The engine and a new organization."""
    async with workbench(registry(), postgres_url, MIGRATIONS, Grants()) as made:
        yield made
