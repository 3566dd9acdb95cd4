"""What tests of the audit chain share: events as feeds tell them, a superuser's hands, and both ways to verify."""

from collections.abc import Collection, Iterable
from uuid import UUID

import psycopg
import pytest
from ashgrove.audit.v1.audit_checkpoint_pb2 import AuditCheckpoint
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest, VerifyAuditChainResponse
from ashgrove.audit_trail import verified
from ashgrove.audit_verification import Verification
from ashgrove.event.v1.event_pb2 import Actor, Event
from ashgrove.resource.v1.export_pb2 import ExportRequest
from ashgrove.values import unpacked
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.audit import recorder
from services.audit.recorder import append
from services.audit.signing import Signer

SIGNER = Signer(Ed25519PrivateKey.generate())
TRUSTED = frozenset({SIGNER.public_key})


def event(organization: UUID | None, actor: str, sequence: int = 1) -> Event:
    """An event as a feed tells it."""
    made = Event(
        id=str(new_id()),
        sequence=sequence,
        type="program.created",
        organization_id=str(organization or ""),
        resource_type="program",
        resource_id=str(new_id()),
        action="CreateProgram",
        outcome="OK",
        actor=Actor(kind=Actor.KIND_USER, id=actor, delegate="optimizer", label="ann@example.com"),
        request_id="r-1",
        client_address="192.0.2.1",
        user_agent="tests",
        trace_id="0" * 32,
        changed_paths=["name"],
    )
    made.occurred_at.GetCurrentTime()
    made.before.update({"name": "old", "ratio": 0.1})
    made.data.update({"name": "ü\u2028", "size": 1e300, "count": 3, "large": 1e20, "nested": {"list": [1.5, None]}})
    return made


async def record(bench: Workbench, *events: Event, source: str = "program") -> None:
    """Appends events, one transaction each."""
    for one in events:
        async with bench.database.system() as tx:
            await append(tx, one, source)


async def verify(bench: Workbench, first: int = 0) -> VerifyAuditChainResponse:
    """Has the server verify the organization's chain for its administrator."""
    answer: VerifyAuditChainResponse = await bench.do(
        "VerifyAuditChain", VerifyAuditChainRequest(from_sequence=first), bench.admin
    )
    return answer


async def exported(bench: Workbench, rpc: str) -> list[Message]:
    """Returns what an administrator exports, in the order of the chain."""
    asked = ExportRequest(order_by="sequence")
    frames = [frame async for frame in bench.frames(rpc, asked, bench.admin)]
    return [unpacked(frame.item.resource) for frame in frames if frame.WhichOneof("frame") == "item"]


async def verified_here(
    bench: Workbench, kept: Iterable[AuditCheckpoint] = (), keys: Collection[str] = TRUSTED
) -> Verification:
    """Verifies as a client that trusts no server does: from what it exports, against what it kept."""
    entries = [one for one in await exported(bench, "ExportAuditEntries") if isinstance(one, AuditEntry)]
    theirs = [one for one in await exported(bench, "ExportAuditCheckpoints") if isinstance(one, AuditCheckpoint)]
    return verified(entries, [*theirs, *kept], keys)


async def as_superuser(postgres_url: str, statement: str, *values: object) -> None:
    """Does what whoever owns the database can do: triggers and row-level security do not hold them."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, values)


async def rewritten(bench: Workbench, postgres_url: str, signer: Signer | None = None) -> None:
    """Rewrites a chain to its end with other outcomes, every link made anew; `signer` signs that end instead."""
    from ashgrove.audit_chain import FIRST, link_of
    from ashgrove.audit_statements import checkpoint_statement

    async with bench.database.system() as tx:
        sql = "SELECT * FROM audit_entries WHERE organization_id = %(o)s ORDER BY sequence"
        rows = await tx.fetch(sql, {"o": bench.organization_id})
    mine = "WHERE organization_id = %s AND sequence = %s"
    previous = FIRST
    for row in rows:
        row |= {"outcome": "FORGED", "previous_hash": previous}
        previous = link_of(previous, row)
        await as_superuser(
            postgres_url,
            f"UPDATE audit.audit_entries_kept SET outcome = 'FORGED', previous_hash = %s, hash = %s {mine}",
            *(row["previous_hash"], previous, bench.organization_id, row["sequence"]),
        )
    if signer:
        stated = {"chain": str(bench.organization_id), "sequence": len(rows), "head_hash": previous}
        await as_superuser(
            postgres_url,
            f"UPDATE audit.audit_checkpoints SET head_hash = %s, signature = %s, public_key = %s {mine}",
            *(previous, signer.sign(checkpoint_statement(stated)), signer.public_key),
            *(bench.organization_id, len(rows)),
        )


async def aged(bench: Workbench, monkeypatch: pytest.MonkeyPatch, old: int, new: int) -> None:
    """Records entries that the database's clock has at a hundred days ago, then some of today."""
    with monkeypatch.context() as patched:
        ago = recorder._HEAD.replace("clock_timestamp()", "clock_timestamp() - interval '100 days'")
        patched.setattr(recorder, "_HEAD", ago)
        await record(bench, *(event(bench.organization_id, bench.user.id) for _ in range(old)))
    await record(bench, *(event(bench.organization_id, bench.user.id) for _ in range(new)))
