"""Retention lets payloads go month by month: links stay whole, and a signed entry of the chain tells what went."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.audit_statements import TOMBSTONE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from framework.storage.migrate import files, migrate
from framework.testing.waiting import until
from framework.testing.workbench import PASSWORD, Workbench, workbench
from services.audit import recorder
from services.audit.checkpoints import sign_grown
from services.audit.registry import registry
from services.audit.retention import drop_payloads
from services.audit.signing import Signer
from tests.integration.audit.chains import (
    SIGNER,
    TRUSTED,
    aged,
    as_superuser,
    event,
    exported,
    record,
    verified_here,
    verify,
)

MIGRATIONS = Path("services/audit/migrations")


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, MIGRATIONS, TRUSTED) as made:
        yield made


async def entries(bench: Workbench) -> list[AuditEntry]:
    """Returns the organization's entries as an administrator exports them."""
    return [one for one in await exported(bench, "ExportAuditEntries") if isinstance(one, AuditEntry)]


async def test_a_month_is_opened_once_whoever_comes_first(
    bench: Workbench, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose entry found that it is not open, and waited for another's to open it, is written all the same."""
    far = recorder._HEAD.replace("clock_timestamp()", "clock_timestamp() + interval '60 years'")
    monkeypatch.setattr(recorder, "_HEAD", far)
    mine, theirs = (event(one.organization_id, one.user.id) for one in (bench, bench.elsewhere()))
    async with bench.database.system() as first:
        await recorder.append(first, mine, "auth")
        waiting = asyncio.create_task(record(bench, theirs, source="variables"))
        await until(partial(_waits, postgres_url))
    await waiting
    async with bench.database.system() as tx:
        kept = await tx.fetch("SELECT id::text, to_char(created_at, 'YYYYMM') AS month FROM audit_entries")
    (month,) = {each["month"] for each in kept if each["id"] in (mine.id, theirs.id)}
    assert {mine.id, theirs.id} <= {each["id"] for each in kept}
    await as_superuser(postgres_url, f"DROP TABLE audit.audit_entries_droppable_{month}")


async def _waits(postgres_url: str) -> bool:
    with psycopg.connect(postgres_url) as connection:
        return bool(connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall())


async def test_old_payloads_go_and_links_stay_whole(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Server and client say how many payloads are gone by retention; what is young enough stays."""
    await aged(bench, monkeypatch, 3, 2)
    await sign_grown(bench.database, SIGNER)
    assert await drop_payloads(bench.database, SIGNER, 1000) == 0
    assert await drop_payloads(bench.database, SIGNER, 40) == 1
    assert await drop_payloads(bench.database, SIGNER, 40) == 0, "nothing is left to drop, and nothing more is told"
    found = await entries(bench)
    assert [bool(one.payload_salt) for one in found] == [False] * 3 + [True] * 3
    assert not any(one.HasField("data") or one.changed_paths or one.HasField("before") for one in found[:3])
    assert found[0].action == "CreateProgram" and found[0].actor.label == "ann@example.com"
    assert (found[-1].type, found[-1].data["through_sequence"]) == (TOMBSTONE, 3)
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.verified_count, server.payloads_gone_count) == (True, 6, 3)
    assert (client.fault, client.count, client.payloads_gone) == ("", 6, 3)


async def test_a_payload_beyond_the_tombstone_is_missed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    """Retention is no cover for whoever removes more than it did."""
    await aged(bench, monkeypatch, 2, 2)
    await drop_payloads(bench.database, SIGNER, 40)
    gone = """DELETE FROM audit.audit_entries_droppable WHERE id = (
        SELECT id FROM audit.audit_entries_kept WHERE organization_id = %s AND sequence = 3)"""
    await as_superuser(postgres_url, gone, bench.organization_id)
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.broken_at, server.fault) == (False, 3, client.fault)
    assert client.fault == "the payload of entry 3 is gone, and no signed tombstone tells of it"


async def test_a_tombstone_that_another_key_signed_covers_nothing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the database cannot sign."""
    await aged(bench, monkeypatch, 2, 1)
    await drop_payloads(bench.database, Signer(Ed25519PrivateKey.generate()), 40)
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.broken_at) == (False, 1)
    assert client.fault == server.fault == "the payload of entry 1 is gone, and no signed tombstone tells of it"


async def test_only_months_of_which_every_day_is_old_enough_go(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for at least so many days is kept for up to a month more."""
    await aged(bench, monkeypatch, 1, 0)
    assert await drop_payloads(bench.database, SIGNER, 100) == 0
    assert (await verify(bench)).payloads_gone_count == 0


OLD = """INSERT INTO audit.audit_entries
    (organization_id, id, sequence, type, previous_hash, hash, link_version, created_at, data, changed_paths,
     salt, payload)
    VALUES ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), %s, 'program.created', '', '', 2,
            now() - %s * interval '40 days', '{"a": 1}', '["a"]', '\\x01', convert_to('{"data":{"a":1}}', 'UTF8'))"""


def test_rows_from_before_move_with_their_digests(postgres_url: str, tmp_path: Path) -> None:
    """Also those that an old process writes between the two steps; both stay readable where they were."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE audit_before"))
    url = postgres_url.rsplit("/", 1)[0] + "/audit_before"
    for last, rows in ((4, (1, 2)), (5, (3,)), (6, ())):
        for file in files(MIGRATIONS)[:last]:
            (tmp_path / file.name).write_text(file.read_text())
        migrate(url, "audit", PASSWORD, tmp_path)
        with psycopg.connect(url) as connection:
            for number in rows:
                connection.execute(OLD, (number, number))
    with psycopg.connect(url) as connection:
        found = connection.execute(
            """SELECT sequence, data, changed_paths, payload_salt, chain,
                      payload_digest = encode(sha256('\\x01'::bytea || convert_to('{"data":{"a":1}}', 'UTF8')), 'hex')
               FROM audit.audit_entries ORDER BY sequence"""
        ).fetchall()
        months = connection.execute(
            "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent "
            "WHERE c.relname = 'audit_entries_droppable'"
        ).fetchone()
    chain = "00000000-0000-0000-0000-000000000001"
    assert found == [(number, {"a": 1}, ["a"], "01", chain, True) for number in (1, 2, 3)]
    assert months is not None and months[0] >= 3
