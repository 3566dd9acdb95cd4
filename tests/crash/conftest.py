"""The services of the crash tests: on one database, started once; each test kills and restarts one of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.processes import Processes
from tests.trail import SERVICES


@pytest.fixture
async def processes(postgres_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """Auth, variables and audit, which signs what has grown ten times a second."""
    made = Processes(SERVICES, postgres_url, tmp_path, checkpoint_seconds="0.1")
    made.prepare()
    async with made.running():
        yield made
