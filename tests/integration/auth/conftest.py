"""The auth service in this process, on a database of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from services.auth.secrets import make_missing
from tests.integration.auth.house import House, migrated


@pytest.fixture(scope="session")
def auth_url(postgres_url: str) -> Iterator[str]:
    """The URL, without user, of a database with auth's schema."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE auth_tests")
    yield migrated(postgres_url.rsplit("/", 1)[0] + "/auth_tests")


@pytest.fixture(scope="session")
def secrets_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every secret."""
    folder = tmp_path_factory.mktemp("auth") / "secrets"
    make_missing(folder)
    return folder


@pytest.fixture
async def house(auth_url: str, secrets_folder: Path) -> AsyncIterator[House]:
    """The service with a new organization in it."""
    async with House(auth_url, secrets_folder) as opened:
        yield opened
