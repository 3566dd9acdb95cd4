"""Writers, sequencers and a follower at once: every committed event is told once, in order, without gaps."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from ashgrove.event.v1 import event_feed_service_pb2 as feed_pb
from ashgrove.event.v1.event_pb2 import Event

from framework.call import Context, service_actor
from framework.errors import Failure, NotPermitted
from framework.events.feed import Feed
from framework.events.sequencer import Sequencer
from framework.tasks import stopped
from framework.testing.workbench import Workbench, workbench
from services.variables.registry import registry


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, Path("services/variables/migrations")) as made:
        yield made


def told(bench: Workbench, writer: int, number: int) -> Event:
    """An event that says who wrote it and when in its row."""
    return Event(
        type="test", organization_id=str(bench.organization_id), resource_type=f"{writer}", request_id=f"{number}"
    )


async def write(bench: Workbench, writer: int, count: int) -> None:
    """Commits events one by one, with as many roll-backs between them."""
    for number in range(count):
        async with bench.database.tenant(bench.organization_id) as tx:
            await tx.record(told(bench, writer, number))
        with pytest.raises(ZeroDivisionError):
            async with bench.database.tenant(bench.organization_id) as tx:
                await tx.record(told(bench, writer, -1))
                raise ZeroDivisionError


async def follow(bench: Workbench, feed: Feed, start: int, count: int) -> list[Event]:
    """Reads the feed until that many events of this organization came."""
    context = Context(service_actor("audit"), "Tail", "", time.monotonic() + 60)
    events: list[Event] = []
    async for frame in feed.tail(context, feed_pb.TailRequest(from_sequence=start)):
        events.append(frame.item)
        if sum(e.organization_id == str(bench.organization_id) for e in events) == count:
            break
    return events


async def test_two_writers_two_sequencers_and_a_feed_without_gaps(bench: Workbench) -> None:
    """What was rolled back is never told; each writer's events keep their order."""
    await bench.events()
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT coalesce(max(sequence), 0) AS last FROM feed")
    assert row is not None
    sequencers = [Sequencer(bench.database, bench.engine.hints, every=0.01) for _ in range(2)]
    recent = bench.engine.recent
    running = [asyncio.create_task(work()) for work in (*(s.run for s in sequencers), recent.run)]
    reading = asyncio.create_task(follow(bench, Feed(bench.database, recent), row["last"], 60))
    await asyncio.gather(write(bench, 1, 30), write(bench, 2, 30))
    async with asyncio.timeout(60):
        events = await reading
    await stopped(running)
    assert [e.sequence for e in events] == list(range(row["last"] + 1, row["last"] + 1 + len(events)))
    assert len({e.id for e in events}) == len(events)
    mine = [e for e in events if e.organization_id == str(bench.organization_id)]
    for writer in "12":
        assert [int(e.request_id) for e in mine if e.resource_type == writer] == list(range(30))


async def test_connections_that_are_killed_lose_and_repeat_nothing(bench: Workbench, postgres_url: str) -> None:
    """Sequencer, reader and feed go on by themselves; numbers have no gap and no event comes twice."""
    await bench.events()
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT last_sequence AS last FROM feed_head")
    assert row is not None
    works = [Sequencer(bench.database, bench.engine.hints, every=0.01).run, bench.engine.recent.run]
    running = [asyncio.create_task(work()) for work in works]
    reading = asyncio.create_task(follow_again(bench, row["last"], 40))
    writing = asyncio.create_task(write(bench, 1, 40))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        while not writing.done():
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'variables_system'"
            )
            await asyncio.sleep(0.05)
    await writing
    async with asyncio.timeout(60):
        events = await reading
    await stopped(running)
    assert [e.sequence for e in events] == list(range(row["last"] + 1, row["last"] + 1 + len(events)))
    mine = [e for e in events if e.organization_id == str(bench.organization_id)]
    assert [int(e.request_id) for e in mine] == list(range(40))


async def follow_again(bench: Workbench, start: int, count: int) -> list[Event]:
    """Reads as `follow` does, and opens the stream again after every failure, where it broke."""
    context = Context(service_actor("audit"), "Tail", "", time.monotonic() + 60)
    events: list[Event] = []
    while sum(e.organization_id == str(bench.organization_id) for e in events) < count:
        position = events[-1].sequence if events else start
        with suppress(Failure):
            request = feed_pb.TailRequest(from_sequence=position, consumer="test")
            async for frame in Feed(bench.database, bench.engine.recent).tail(context, request):
                events.append(frame.item)
                if frame.item.request_id == str(count - 1):
                    break
    return events


async def test_the_feed_is_for_services_only(bench: Workbench) -> None:
    """An administrator is none."""
    feed = Feed(bench.database, bench.engine.recent)
    context = bench.context(bench.admin, "Tail")
    with pytest.raises(NotPermitted):
        async for _ in feed.tail(context, feed_pb.TailRequest()):
            raise AssertionError("nothing may be told")
