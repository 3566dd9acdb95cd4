"""The audit chain on a real database: recorded once, in order of arrival, verifiable, unchangeable."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from ashgrove.audit.v1.audit_checkpoint_requests_pb2 import ListAuditCheckpointsRequest
from ashgrove.audit.v1.audit_entry_requests_pb2 import (
    ListAuditEntriesRequest,
)
from ashgrove.audit_statements import checkpoint_statement, is_signed
from ashgrove.event.v1 import event_feed_service_pb2 as feed_pb
from psycopg.errors import InsufficientPrivilege, RaiseException

from framework.errors import NotPermitted
from framework.events.tail import Consumer, follow
from framework.testing.workbench import Workbench, workbench
from services.audit.checkpoints import sign_grown
from services.audit.recorder import PLATFORM, append
from services.audit.registry import registry
from tests.integration.audit.chains import SIGNER, event, record, verify


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/audit/migrations")) as made:
        yield made


async def test_entries_chain_without_gaps_and_a_redelivery_changes_nothing(bench: Workbench) -> None:
    """X-89: with tenant, outcome, request, trace, label, credential, before, address and agent; in order of arrival."""
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
        stated = {"chain": str(bench.organization_id), "sequence": one.sequence, "head_hash": one.head_hash}
        assert one.public_key == SIGNER.public_key
        assert is_signed({"public_key": one.public_key, "signature": one.signature}, checkpoint_statement(stated))
    with pytest.raises(NotPermitted):
        await bench.do("ListAuditCheckpoints", ListAuditCheckpointsRequest(), bench.user)


async def test_no_role_changes_or_deletes_an_entry(bench: Workbench, postgres_url: str) -> None:
    """X-90: neither grants nor, for the owner, the trigger let it."""
    await record(bench, event(bench.organization_id, bench.user.id))
    halves = {"audit_entries_kept": "outcome = ''", "audit_entries_droppable": "data = '{}'"}
    changes = [f"UPDATE {table} SET {change}" for table, change in halves.items()]
    for statement in [*changes, *(f"{verb} {table}" for verb in ("DELETE FROM", "TRUNCATE") for table in halves)]:
        for role in (bench.database.system(), bench.database.tenant(bench.organization_id)):
            with pytest.raises(InsufficientPrivilege):
                async with role as tx:
                    await tx.execute(statement)
        with pytest.raises(RaiseException), psycopg.connect(postgres_url) as connection:
            connection.execute(statement.replace("audit_entries_", "audit.audit_entries_"))


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
    await done.wait()
    work.cancel()
    assert asked == [0, 4]
    found = await verify(bench)
    assert (found.valid, found.verified_count) == (True, 7)
