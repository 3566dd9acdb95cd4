"""The first start: done once, whoever starts twice, and its key is for its owner's eyes."""

import asyncio
import stat
from pathlib import Path

import psycopg

from framework.storage import Database
from services.auth import keys
from services.auth.bootstrap import found_first
from services.auth.registry import registry
from services.auth.secrets import make_missing, write_once
from tests.integration.auth.house import PASSWORD, migrated


async def test_the_first_start_founds_the_platform_once(postgres_url: str, tmp_path: Path) -> None:
    """Two first starts at once make one operator, one organization with an administrator, and a key file of each."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE auth_bootstrap_tests")
    database = Database(migrated(postgres_url.rsplit("/", 1)[0] + "/auth_bootstrap_tests"), PASSWORD, "auth", size=4)
    await database.open()
    try:
        starts = [found_first(database, registry(), b"pepper", tmp_path) for _ in range(2)]
        made = [path for paths in await asyncio.gather(*starts) for path in paths]
        assert made == [tmp_path / "operator.key", tmp_path / "admin.key"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
        async with database.system() as tx:
            rows = await tx.fetch("SELECT email, role, operator FROM users ORDER BY email")
            stored = await tx.fetch("SELECT key_hash FROM api_keys")
        assert rows == [
            {"email": "admin@localhost", "role": "ROLE_ADMIN", "operator": False},
            {"email": "operator@localhost", "role": "ROLE_VIEWER", "operator": True},
        ]
        digests = {keys.digest(path.read_text().strip(), b"pepper") for path in made}
        assert {bytes(row["key_hash"]) for row in stored} == digests
    finally:
        await database.close()


def test_secrets_are_made_once_for_the_owner_only(tmp_path: Path) -> None:
    """Every secret is a file of mode 0600 in a folder of mode 0700, and a second start changes none."""
    folder = tmp_path / "secrets"
    made = make_missing(folder)
    assert {"pepper", "page-token.key", "signing.pem", "optimizer.secret"} <= set(made)
    contents = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert make_missing(folder) == []
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == contents
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    """What stands, stands."""
    (tmp_path / "pepper").write_bytes(b"old")
    assert not write_once(tmp_path / "pepper", lambda: b"new")
    assert (tmp_path / "pepper").read_bytes() == b"old"
