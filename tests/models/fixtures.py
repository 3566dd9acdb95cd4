"""The server as a pytest fixture: `models` is one that answers "ok" unless it is scripted."""

from collections.abc import AsyncIterator

import pytest

from tests.models.server import ModelServer, model_server


@pytest.fixture
async def models() -> AsyncIterator[ModelServer]:
    """A model server of this test's own."""
    async with model_server() as server:
        yield server
