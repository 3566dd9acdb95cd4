"""The auth service in this process, on a database of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from services.auth import passwords
from services.auth.secrets import make_missing
from tests.integration.auth.gate import Gate, following
from tests.integration.auth.house import House, migrated
from tests.integration.auth.stage import Stage


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


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing: what they cost is no matter of these tests."""
    monkeypatch.setattr(passwords, "_LOG2_COST", 4)


@pytest.fixture
async def house(auth_url: str, secrets_folder: Path) -> AsyncIterator[House]:
    """The service with a new organization in it."""
    async with House(auth_url, secrets_folder) as opened:
        yield opened


@pytest.fixture
async def gate(house: House) -> AsyncIterator[Gate]:
    """What the gateway asks, following the house."""
    async with following(house) as gate:
        yield gate


@pytest.fixture(scope="session")
def founded(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home where bootstrap has run, and the URL of its database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE auth_stage")
    staged = Stage(tmp_path_factory.mktemp("stage"), migrated(f"{postgres_url.rsplit('/', 1)[0]}/auth_stage"))
    asyncio.run(staged.run("bootstrap"))
    return staged.home, staged.url


@pytest.fixture
def stage(founded: tuple[Path, str]) -> Stage:
    """The same home and database for all, an environment for each."""
    return Stage(*founded)
