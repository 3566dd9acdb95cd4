"""The variables service on a real database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from framework.testing.workbench import Workbench, workbench
from services.variables.registry import registry


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/variables/migrations")) as made:
        yield made
