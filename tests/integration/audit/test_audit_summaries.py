"""What there is much of is one entry a minute: its count, and a digest that whoever has the events can make again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ashgrove.event.v1.event_pb2 import Event

from framework.call import Actor
from framework.testing.workbench import Workbench, workbench
from services.audit.registry import registry
from services.audit.summaries import digest_of, record, tell
from tests.integration.audit.chains import TRUSTED, event, verify


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/audit/migrations"), TRUSTED) as made:
        yield made


def many(bench: Workbench, actor: Actor, count: int, first: int = 1, kind: str = "trial.created") -> list[Event]:
    """Events of a kind that is summarized, as a feed tells them."""
    made = [event(bench.organization_id, actor.id, first + n) for n in range(count)]
    for one in made:
        one.type, one.resource_type, one.audit = kind, kind.partition(".")[0], Event.AUDIT_SUMMARY
    return made


async def recorded(bench: Workbench, *events: Event) -> None:
    """Records events as the follower of a feed does."""
    for one in events:
        async with bench.database.system() as tx:
            await record(tx, one, "optimizer", seconds=3600)


async def entries(bench: Workbench) -> list[dict[str, Any]]:
    """Returns the chain."""
    async with bench.database.system() as tx:
        sql = "SELECT * FROM audit_entries WHERE organization_id = %(o)s ORDER BY sequence"
        return await tx.fetch(sql, {"o": bench.organization_id})


async def over(bench: Workbench) -> None:
    """Tells what has been gathered, as if its time was over."""
    await tell(bench.database, 0)


async def test_many_become_one_entry_with_their_count_and_digest(bench: Workbench) -> None:
    """For each actor and kind; what is to be kept each by itself is linked at once."""
    mine, theirs = many(bench, bench.user, 5), many(bench, bench.colleague, 2, 6)
    single = event(bench.organization_id, bench.user.id, 8)
    await recorded(bench, *mine, *theirs, *many(bench, bench.user, 1, 9, "trial.updated"), single)
    assert [str(one["id"]) for one in await entries(bench)] == [single.id]
    await over(bench)
    await over(bench)
    _, *told = await entries(bench)
    seen = [(one["type"], str(one["actor_id"]), one["data"]["count"]) for one in told]
    assert seen == [
        ("trial.created", bench.user.id, 5),
        ("trial.created", bench.colleague.id, 2),
        ("trial.updated", bench.user.id, 1),
    ]
    digest = bytes(32)
    for one in mine:
        digest = hashlib.sha256(digest + bytes.fromhex(digest_of(one))).digest()
    assert told[0]["data"]["digest"] == digest.hex()
    assert (told[0]["data"]["first_source_sequence"], told[0]["source_sequence"], told[0]["source"]) == (
        1,
        5,
        "optimizer",
    )
    assert (await verify(bench)).valid


async def test_an_event_that_comes_again_counts_once(bench: Workbench) -> None:
    """And one that is altered makes another digest."""
    first, second = many(bench, bench.user, 2)
    await recorded(bench, first, second, first, second)
    await over(bench)
    (told,) = await entries(bench)
    assert told["data"]["count"] == 2
    other = Event()
    other.CopyFrom(first)
    other.data.update({"name": "forged"})
    assert digest_of(other) != digest_of(first)


async def test_two_that_tell_at_once_tell_it_once(bench: Workbench) -> None:
    """Whoever takes a summary makes its entry."""
    await recorded(bench, *many(bench, bench.user, 3))
    await asyncio.gather(over(bench), over(bench))
    assert [one["data"]["count"] for one in await entries(bench)] == [3]
