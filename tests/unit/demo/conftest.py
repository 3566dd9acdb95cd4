"""Learning as in a worker process: with one thread."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Keeps sums in one order, and idle threads from spinning."""
    with threadpool_limits(1):
        yield
