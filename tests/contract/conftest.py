"""One resource under test: its service on a real database, and what does its methods."""

from collections.abc import AsyncIterator

import pytest
from factories import migrations, subject

from framework.resource import Registry, ResourceSpec
from framework.testing.contract import Driver
from framework.testing.workbench import Workbench, workbench


@pytest.fixture
async def bench(pair: tuple[Registry, ResourceSpec], postgres_url: str) -> AsyncIterator[Workbench]:
    """The resource's service, with an organization of the test's own."""
    async with workbench(pair[0], postgres_url, migrations(pair[0].service)) as made:
        yield made


@pytest.fixture
def driver(bench: Workbench, pair: tuple[Registry, ResourceSpec]) -> Driver:
    return Driver(bench, subject(pair[1].resource, pair[1].noun))
