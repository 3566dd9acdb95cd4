"""The audit chain on a real database: recorded once, in order of arrival, verifiable, unchangeable."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from ashgrove.audit.v1.audit_checkpoint_requests_pb2 import ListAuditCheckpointsRequest
from ashgrove.audit.v1.audit_entry_requests_pb2 import (
    ListAuditEntriesRequest,
    VerifyAuditChainRequest,
    VerifyAuditChainResponse,
)
from ashgrove.event.v1 import event_feed_service_pb2 as feed_pb
from ashgrove.event.v1.event_pb2 import Actor, Event
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.errors import InsufficientPrivilege, RaiseException

from framework.errors import NotPermitted
from framework.events.tail import Consumer, follow
from framework.identifiers import new_id
from framework.testing.workbench import Workbench, workbench
from services.audit.chain import FIRST, link_of
from services.audit.checkpoints import sign_grown
from services.audit.recorder import PLATFORM, append
from services.audit.resources import registry
from services.audit.signing import Signer, holds

SIGNER = Signer(Ed25519PrivateKey.generate())


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/audit/migrations")) as made:
        yield made


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
        actor=Actor(kind=Actor.KIND_USER, id=actor),
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
    """Verifies the organization's chain as its administrator."""
    answer: VerifyAuditChainResponse = await bench.do(
        "VerifyAuditChain", VerifyAuditChainRequest(from_sequence=first), bench.admin
    )
    return answer


async def test_entries_chain_without_gaps_and_a_redelivery_changes_nothing(bench: Workbench) -> None:
    """The chain's order is that of arrival."""
    events = [event(bench.organization_id, bench.user.id, n) for n in (5, 2, 9)]
    await record(bench, *events, *events)
    listed = await bench.do("ListAuditEntries", ListAuditEntriesRequest(order_by="sequence"), bench.admin)
    entries = listed.audit_entries
    assert [(e.id, e.sequence) for e in entries] == [(e.id, n) for n, e in enumerate(events, 1)]
    assert entries[0].previous_hash == "0" * 64 and entries[2].previous_hash == entries[1].hash
    assert entries[0].data == events[0].data and list(entries[0].changed_paths) == ["name"]
    assert (entries[0].source, entries[0].source_sequence, entries[0].actor) == ("program", 5, events[0].actor)
    for name in ("before", "client_address", "user_agent", "trace_id"):
        assert getattr(entries[0], name) == getattr(events[0], name) != ""
    found = await verify(bench)
    assert (found.valid, found.verified_count, found.head_hash) == (True, 3, entries[2].hash)
    assert (await verify(bench, 3)).verified_count == 1


async def test_writers_of_one_organization_wait_for_each_other(bench: Workbench) -> None:
    """Four feeds at once make one chain."""
    feeds = {s: [event(bench.organization_id, bench.user.id, n) for n in range(5)] for s in "abcd"}
    await asyncio.gather(*(record(bench, *events, source=s) for s, events in feeds.items()))
    found = await verify(bench)
    assert (found.valid, found.verified_count) == (True, 20)


async def as_superuser(postgres_url: str, statement: str, *values: object) -> None:
    """Does what whoever owns the database can do: triggers and row-level security do not hold them."""
    with psycopg.connect(postgres_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(statement, values)


MINE = "WHERE organization_id = %s AND sequence"
TAMPERINGS = {
    **{
        column: (f"UPDATE audit.audit_entries SET {column} = {forgery} {MINE} = 2", 2)
        for column, forgery in {
            "outcome": "'ABORTED'",
            "data": "'{}'",
            "before": """'{"a": 1}'""",
            "actor": "'{}'",
            "actor_id": "NULL",
            "client_address": "'192.0.2.77'",
            "occurred_at": "occurred_at + interval '1 second'",
            "link_version": "1",
            "salt": "'\\x00'",
        }.items()
    },
    "removed": (f"DELETE FROM audit.audit_entries {MINE} = 2", 2),
    "cut off": (f"DELETE FROM audit.audit_entries {MINE} >= 4", 4),
    "emptied": (f"DELETE FROM audit.audit_entries {MINE} > 0", 1),
    "moved": (f"UPDATE audit.audit_entries SET sequence = 6 {MINE} = 4", 4),
    "signed by another": (f"UPDATE audit.audit_checkpoints SET signature = repeat('A', 86) {MINE} = 5", 5),
    "signed for another": (f"UPDATE audit.audit_checkpoints SET head_hash = repeat('0', 64) {MINE} = 5", 5),
}


@pytest.mark.parametrize("kind", TAMPERINGS)
async def test_a_tampered_chain_is_found(bench: Workbench, postgres_url: str, kind: str) -> None:
    """Whoever can do everything to the database can still not mend the chain, nor shorten it."""
    await record(bench, *(event(bench.organization_id, bench.user.id) for _ in range(5)))
    assert await sign_grown(bench.database, SIGNER) >= 1
    found = await verify(bench)
    assert (found.valid, found.verified_count, found.checkpoint_count) == (True, 5, 1)
    statement, broken_at = TAMPERINGS[kind]
    await as_superuser(postgres_url, statement, bench.organization_id)
    found = await verify(bench)
    assert (found.valid, found.broken_at, bool(found.fault)) == (False, broken_at, True)


async def test_a_chain_rewritten_to_its_end_is_found(bench: Workbench, postgres_url: str) -> None:
    """Every link may be made anew by whoever knows how: the checkpoint tells of the chain that was."""
    await record(bench, *(event(bench.organization_id, bench.user.id) for _ in range(3)))
    await sign_grown(bench.database, SIGNER)
    async with bench.database.system() as tx:
        rows = await tx.fetch(
            "SELECT * FROM audit_entries WHERE organization_id = %(o)s ORDER BY sequence", {"o": bench.organization_id}
        )
    previous = FIRST
    for row in rows:
        row |= {"outcome": "FORGED", "previous_hash": previous}
        previous = link_of(previous, row)
        await as_superuser(
            postgres_url,
            f"UPDATE audit.audit_entries SET outcome = 'FORGED', previous_hash = %s, hash = %s {MINE} = %s",
            row["previous_hash"],
            previous,
            bench.organization_id,
            row["sequence"],
        )
    found = await verify(bench)
    assert (found.valid, found.broken_at) == (False, 3) and "rewritten" in found.fault


async def test_only_chains_that_have_grown_are_signed_again(bench: Workbench) -> None:
    """Each checkpoint can be checked by whoever kept the public key."""
    await record(bench, event(bench.organization_id, bench.user.id))
    await sign_grown(bench.database, SIGNER)
    assert await sign_grown(bench.database, SIGNER) == 0
    await record(bench, event(bench.organization_id, bench.user.id))
    await sign_grown(bench.database, SIGNER)
    listed = await bench.do("ListAuditCheckpoints", ListAuditCheckpointsRequest(order_by="sequence"), bench.admin)
    made = listed.audit_checkpoints
    assert [one.sequence for one in made] == [1, 2]
    for one in made:
        stated = {"organization_id": str(bench.organization_id), "sequence": one.sequence, "head_hash": one.head_hash}
        assert one.public_key == SIGNER.public_key
        assert holds(stated | {"public_key": one.public_key, "signature": one.signature})
    with pytest.raises(NotPermitted):
        await bench.do("ListAuditCheckpoints", ListAuditCheckpointsRequest(), bench.user)


async def test_no_role_changes_or_deletes_an_entry(bench: Workbench, postgres_url: str) -> None:
    """Neither grants nor, for the owner, the trigger let it."""
    await record(bench, event(bench.organization_id, bench.user.id))
    for statement in ("UPDATE audit_entries SET outcome = ''", "DELETE FROM audit_entries", "TRUNCATE audit_entries"):
        for role in (bench.database.system(), bench.database.tenant(bench.organization_id)):
            with pytest.raises(InsufficientPrivilege):
                async with role as tx:
                    await tx.execute(statement)
        with pytest.raises(RaiseException), psycopg.connect(postgres_url) as connection:
            connection.execute(statement.replace("audit_entries", "audit.audit_entries"))


async def test_administrators_read_all_of_theirs_and_users_their_own(bench: Workbench) -> None:
    """Another organization's are nobody's, the platform's are no member's."""
    other = bench.elsewhere()
    mine = event(bench.organization_id, bench.user.id)
    theirs = event(bench.organization_id, bench.colleague.id)
    await record(bench, mine, theirs, event(other.organization_id, other.user.id), event(None, bench.user.id))

    async def seen(who: Workbench, actor: object) -> set[str]:
        listed = await who.do("ListAuditEntries", ListAuditEntriesRequest(), actor)  # type: ignore[arg-type]
        return {e.id for e in listed.audit_entries}

    assert await seen(bench, bench.admin) == {mine.id, theirs.id}
    assert await seen(bench, bench.user) == {mine.id}
    assert await seen(bench, bench.viewer) == set()
    async with bench.database.system() as tx:
        assert await tx.fetch("SELECT 1 FROM audit_entries WHERE organization_id = %(o)s", {"o": PLATFORM})


async def test_a_followed_feed_is_recorded_once_across_restarts(bench: Workbench) -> None:
    """Cursor and entry commit together."""
    events = [event(bench.organization_id, bench.user.id, n) for n in range(1, 8)]
    consumer = f"audit:test:{secrets.token_hex(4)}"
    asked: list[int] = []

    class Repeating:
        """A feed that repeats itself, and breaks off once."""

        async def tail(self, request: feed_pb.TailRequest) -> AsyncIterator[feed_pb.TailResponse]:
            asked.append(request.from_sequence)
            for one in events[max(0, request.from_sequence - 2) :]:
                yield feed_pb.TailResponse(item=one)
                if one.sequence == 4 and len(asked) == 1:
                    return
            done.set()
            await asyncio.Event().wait()

        async def snapshot(self, request: feed_pb.SnapshotRequest) -> AsyncIterator[feed_pb.SnapshotResponse]:
            raise AssertionError("an audit trail is never begun anew")
            yield

        async def acknowledge(self, request: feed_pb.AcknowledgeRequest) -> None:
            """Needs no note."""

    done = asyncio.Event()
    recorder = Consumer(consumer, Repeating(), partial(append, source="program"))
    work = asyncio.ensure_future(follow(recorder, bench.database))
    await asyncio.wait_for(done.wait(), 30)
    work.cancel()
    assert asked == [0, 4]
    found = await verify(bench)
    assert (found.valid, found.verified_count) == (True, 7)
