"""How pytest runs the suite: each rule once for each resource that it speaks of, on a service of that resource's."""

from collections.abc import AsyncIterator

import pytest

from framework.testing.contract import Driver
from framework.testing.suite.choosing import Pair, chosen
from framework.testing.workbench import Workbench, workbench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives each rule the resources that it speaks of among the module's SUBJECTS."""
    pairs = chosen(metafunc.function, getattr(metafunc.module, "SUBJECTS", ()))
    if pairs is not None:
        metafunc.parametrize("pair", list(pairs), ids=str)


@pytest.fixture
async def bench(pair: Pair, postgres_url: str) -> AsyncIterator[Workbench]:
    """The resource's service, with an organization of the test's own."""
    async with workbench(pair.subjects.registry, postgres_url, pair.subjects.migrations) as made:
        yield made


@pytest.fixture
def driver(bench: Workbench, pair: Pair) -> Driver:
    """What does the resource's methods."""
    return Driver(bench, pair.subjects.of(pair.spec))
