"""A service and its database by TLS on both sides, with Debian's server."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from framework.settings import TlsSettings
from framework.storage import Database
from framework.storage.migrate import migrate
from tests.integration.transport.debian_postgres import PASSWORD, binaries, secured_postgres
from tests.trust import Trust

MIGRATIONS = Path(__file__).parents[3] / "services" / "audit" / "migrations"
pytestmark = pytest.mark.skipif(binaries() is None, reason="Debian's PostgreSQL is not installed; the wheel has no TLS")
NAMES = ("sslcert", "sslkey", "sslrootcert")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def url(ours: Trust) -> Iterator[str]:
    with secured_postgres(ours) as running:
        yield running


def plain_user(url: str) -> str:
    """Returns the URL without its user, as services are told it."""
    return url.replace(f"admin:{PASSWORD}@", "")


def refused(url: str) -> str:
    """Returns in lower case why there is no connection."""
    with pytest.raises(psycopg.OperationalError) as told:
        psycopg.connect(url, connect_timeout=5)
    return str(told.value).lower()


async def test_a_service_migrates_and_works_by_tls(url: str, ours: Trust) -> None:
    tls = ours.settings("audit")
    migrate(tls.with_files(url, NAMES, asked=True), "audit", PASSWORD, MIGRATIONS)
    database = Database(tls.with_files(plain_user(url), NAMES, asked=True), PASSWORD, "audit", size=2)
    await database.open()
    try:
        async with database.tenant(None) as tx:
            told = await tx.fetch_one("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert told == {"ssl": True, "client_dn": "/CN=audit"}
        async for _ in database.listen("a channel"):
            break
    finally:
        await database.close()


def test_whoever_does_not_belong_here_is_refused(url: str, ours: Trust, tmp_path: Path) -> None:
    theirs = Trust(tmp_path / "theirs").settings("audit")

    def with_files(tls: TlsSettings) -> str:
        return tls.with_files(url, NAMES, asked=True)

    assert "no encryption" in refused(url.replace("sslmode=verify-full", "sslmode=disable"))
    assert "certificate" in refused(f"{url}&sslrootcert={ours.file}&sslcert=/none")
    assert "ssl error" in refused(with_files(theirs.model_copy(update={"tls_authority": ours.file})))
    assert "certificate verify failed" in refused(with_files(theirs))  # the server is not theirs
    elsewhere = with_files(ours.settings("audit")).replace("@127.0.0.1:", "@localhost.localdomain:")
    assert "does not match host name" in refused(f"{elsewhere}&hostaddr=127.0.0.1")
