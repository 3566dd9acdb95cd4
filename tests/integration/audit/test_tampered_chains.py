"""Chains that the database's superuser tampered with: server and client find each kind, wherever it was done."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from ashgrove.audit.v1.audit_checkpoint_pb2 import AuditCheckpoint
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from framework.testing.workbench import Workbench, workbench
from services.audit.checkpoints import sign_grown
from services.audit.registry import registry
from services.audit.signing import Signer
from tests.integration.audit.chains import (
    SIGNER,
    TRUSTED,
    as_superuser,
    event,
    exported,
    record,
    rewritten,
    verified_here,
    verify,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/audit/migrations"), TRUSTED) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def bench(shared: Workbench) -> Workbench:
    """A signed chain of five entries, of a new organization."""
    made = shared.elsewhere()
    await record(made, *(event(made.organization_id, made.user.id) for _ in range(5)))
    assert await sign_grown(made.database, SIGNER) >= 1
    return made


MINE = "WHERE organization_id = %s AND sequence"
SECOND = "WHERE id = (SELECT id FROM audit.audit_entries_kept WHERE organization_id = %s AND sequence = 2)"
KEPT, TOLD = "audit.audit_entries_kept", "audit.audit_entries_droppable"
SWAPPED = [
    f"UPDATE {KEPT} SET sequence = sequence - 5 {MINE} IN (2, 3)",
    f"UPDATE {KEPT} SET sequence = -sequence {MINE} < 0",
]
INSERTED = [
    f"UPDATE {KEPT} SET sequence = -sequence - 1 {MINE} > 2",
    f"UPDATE {KEPT} SET sequence = -sequence {MINE} < 0",
    f"""INSERT INTO {KEPT} (organization_id, id, sequence, hash, previous_hash, chain, link_version, payload_digest)
        SELECT organization_id, gen_random_uuid(), 3, hash, previous_hash, chain, link_version, payload_digest
        FROM {KEPT} {MINE} = 2""",
]
TAMPERINGS = {
    **{
        f"header altered: {column}": (f"UPDATE {KEPT} SET {column} = {forgery} {MINE} = 2", 2)
        for column, forgery in {
            "outcome": "'ABORTED'",
            "actor": "'{}'",
            "actor_id": "NULL",
            "client_address": "'192.0.2.77'",
            "occurred_at": "occurred_at + interval '1 second'",
            "link_version": "2",
            "payload_digest": "repeat('0', 64)",
            "chain": "'00000000-0000-0000-0000-000000000000'",
        }.items()
    },
    **{
        f"payload altered: {column}": (f"UPDATE {TOLD} SET {column} = {forgery} {SECOND}", 2)
        for column, forgery in {"data": "'{}'", "before": """'{"a": 1}'""", "payload_salt": "'00'"}.items()
    },
    "payload removed": (f"DELETE FROM {TOLD} {SECOND}", 2),
    "payload without its salt": (f"UPDATE {TOLD} SET payload_salt = NULL {SECOND}", 2),
    "removed": (f"DELETE FROM {KEPT} {MINE} = 2", 2),
    "moved away": (f"UPDATE {KEPT} SET sequence = 6 {MINE} = 4", 4),
    "reordered": (SWAPPED, 2),
    "inserted": (INSERTED, 3),
    "tail cut off": (f"DELETE FROM {KEPT} {MINE} >= 4", 4),
    "emptied": (f"DELETE FROM {KEPT} {MINE} > 0", 1),
    "checkpoint with another signature": (
        f"UPDATE audit.audit_checkpoints SET signature = repeat('A', 86) {MINE} = 5",
        5,
    ),
    "checkpoint of another link": (f"UPDATE audit.audit_checkpoints SET head_hash = repeat('0', 64) {MINE} = 5", 5),
}


@pytest.mark.parametrize("kind", TAMPERINGS)
async def test_a_tampered_chain_is_found_by_server_and_client(bench: Workbench, postgres_url: str, kind: str) -> None:
    """Whoever can do everything to the database can still not mend the chain, nor shorten it."""
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.verified_count, server.checkpoint_count) == (True, 5, 1)
    assert (client.fault, client.count, client.checkpoints, client.keys) == ("", 5, 1, set(TRUSTED))
    statements, broken_at = TAMPERINGS[kind]
    for statement in [statements] if isinstance(statements, str) else statements:
        await as_superuser(postgres_url, statement, bench.organization_id)
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.broken_at, server.fault) == (False, broken_at, client.fault)
    assert client.broken_at == broken_at and client.fault


async def test_a_chain_rewritten_to_its_end_is_found(bench: Workbench, postgres_url: str) -> None:
    """Every link may be made anew by whoever knows how: the checkpoint tells of the chain that was."""
    await rewritten(bench, postgres_url)
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.broken_at) == (False, 5) and "rewritten" in server.fault
    assert client.fault == server.fault


async def test_a_checkpoint_replaced_by_anothers_signature_is_found(bench: Workbench, postgres_url: str) -> None:
    """Its own key fits its signature: what counts is whose key is trusted."""
    await rewritten(bench, postgres_url, Signer(Ed25519PrivateKey.generate()))
    server, client = await verify(bench), await verified_here(bench)
    assert (server.valid, server.broken_at) == (False, 5) and "trusted" in server.fault
    assert client.fault == server.fault
    assert (await verified_here(bench, keys=())).fault == "", "hence keep the key, or a checkpoint"


async def test_a_kept_checkpoint_tells_what_no_server_can(bench: Workbench, postgres_url: str) -> None:
    """Whoever removes the end and its checkpoints leaves a sound shorter chain; who kept one knows better."""
    kept = [one for one in await exported(bench, "ExportAuditCheckpoints") if isinstance(one, AuditCheckpoint)]
    for table in (KEPT, "audit.audit_checkpoints"):
        await as_superuser(postgres_url, f"DELETE FROM {table} {MINE} >= 4", bench.organization_id)
    assert (await verify(bench)).valid
    found = await verified_here(bench, kept)
    assert (found.broken_at, found.fault) == (4, "entries from 4 on are missing: a checkpoint covers entry 5")
