"""The feed's days: opened ahead, dropped once they are old and every consumer has passed, and without a gap."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ashgrove.event.v1 import event_feed_service_pb2 as pb
from psycopg import sql
from spectators import create, space

from framework.engine.writing import event_of
from framework.errors import PositionGone
from framework.events.measures import METRICS, Measures, flow_of
from framework.events.retention import Retention, forget_consumer
from framework.events.sequencer import Sequencer
from framework.identifiers import new_id
from framework.storage.migrate import files
from framework.testing.feeds import LocalFeed
from framework.testing.workbench import Workbench, workbench
from services.variables.registry import registry

MIGRATIONS = Path("services/variables/migrations")
PARTITIONS = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'feed'::regclass ORDER BY 1"


@pytest.fixture
def url(postgres_url: str) -> str:
    """The URL of a database of the test's own: days are everybody's."""
    name = f"feed_days_{new_id().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{postgres_url.rsplit('/', 1)[0]}/{name}"


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), url, MIGRATIONS) as made:
        yield made


async def fetched(bench: Workbench, sql: str) -> list[dict[str, Any]]:
    """Returns rows as the system reads them."""
    async with bench.database.system() as tx:
        return await tx.fetch(sql)


async def aged(bench: Workbench, url: str, days: int) -> None:
    """Has all that was told been told so many days ago, in a partition of its own."""
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT (now() AT TIME ZONE 'utc')::date - %(d)s AS day", {"d": days})
    assert row is not None
    day, name = row["day"], f"feed_{row['day']:%Y%m%d}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path TO variables")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} (LIKE feed)".encode())
        connection.execute(f"WITH m AS (DELETE FROM feed RETURNING *) INSERT INTO {name} SELECT * FROM m".encode())
        connection.execute(f"UPDATE {name} SET numbered_on = '{day}'".encode())
        connection.execute(
            f"ALTER TABLE feed ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{day}'::date + 1)".encode()
        )
        connection.execute(f"ALTER TABLE {name} OWNER TO variables_owner".encode())


async def test_days_are_opened_ahead_and_what_came_before_moves_in(bench: Workbench) -> None:
    """Opening is repeatable, and an event that came on a day without a partition is where it belongs."""
    await create(bench, space("early"))
    await bench.events()
    assert [r["name"] for r in await fetched(bench, PARTITIONS)] == ["feed_rest"]
    for _ in range(2):
        await Retention(bench.database).open()
    names = [r["name"] for r in await fetched(bench, PARTITIONS)]
    assert len(names) == 4 and names[-1] == "feed_rest"
    (where,) = await fetched(bench, "SELECT tableoid::regclass::text AS name FROM feed")
    assert where["name"] == names[0]
    await create(bench, space("later"))
    assert [e["sequence"] for e in await bench.events()] == [1, 2]


async def test_a_day_goes_when_it_is_old_and_every_consumer_has_passed(bench: Workbench, url: str) -> None:
    """One that stands still keeps all of it; numbers go on after everything was dropped."""
    feed = LocalFeed(bench, "audit")
    for number in range(3):
        await create(bench, space(f"old {number}"))
    await bench.events()
    await aged(bench, url, 9)
    await feed.acknowledge(pb.AcknowledgeRequest(consumer="one", sequence=3))
    await feed.acknowledge(pb.AcknowledgeRequest(consumer="two", sequence=1))
    assert await Retention(bench.database).drop() == 0
    await feed.acknowledge(pb.AcknowledgeRequest(consumer="two", sequence=3))
    assert await Retention(bench.database, days=30).drop() == 0
    assert await Retention(bench.database).drop() == 1
    with pytest.raises(PositionGone) as gone:
        async for _ in feed.tail(pb.TailRequest(from_sequence=1)):
            raise AssertionError("nothing may be told")
    assert gone.value.oldest_sequence == 4
    await create(bench, space("new"))
    assert [e["sequence"] for e in await bench.events()] == [4]


async def test_a_consumer_that_is_gone_for_good_can_be_forgotten(bench: Workbench, url: str) -> None:
    """Then nothing is kept for it."""
    feed = LocalFeed(bench, "audit")
    await create(bench, space("old"))
    await bench.events()
    await aged(bench, url, 9)
    await feed.acknowledge(pb.AcknowledgeRequest(consumer="dead", sequence=0))
    assert await Retention(bench.database).drop() == 0
    assert await forget_consumer(bench.database, "audit/dead")
    assert not await forget_consumer(bench.database, "audit/dead")
    assert await Retention(bench.database).drop() == 1


async def test_lag_and_age_are_measured_for_each_consumer(bench: Workbench) -> None:
    """A consumer that goes back is where it was."""
    feed = LocalFeed(bench, "audit")
    for number in range(3):
        await create(bench, space(f"space {number}"))
    await bench.events()
    await create(bench, space("not numbered"))
    for sequence in (2, 1):
        await feed.acknowledge(pb.AcknowledgeRequest(consumer="slow", sequence=sequence))
    measures = Measures(bench.database, lambda: 7)
    measures.flow = flow = await flow_of(bench.database)
    assert (flow.sequence, flow.depth, flow.lags[0].consumer, flow.lags[0].events) == (3, 1, "audit/slow", 1)
    values = measures.values()
    assert values["ashgrove.feed.lag{audit/slow}"] == 1 and values["ashgrove.feed.age{audit/slow}"] > 0
    assert values["ashgrove.outbox.depth"] == 1 and values["ashgrove.watchers"] == 7
    assert {name.split("{")[0] for name in values} == METRICS.keys()


async def test_what_a_feed_held_before_it_had_days_is_kept(postgres_url: str) -> None:
    """The migration moves it, with its numbers."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS moved CASCADE")
        connection.execute("CREATE SCHEMA moved")
        connection.execute("SET search_path TO moved")
        for role in ("variables", "variables_system"):
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            if not known:
                connection.execute(f"CREATE ROLE {role}".encode())
        connection.execute(
            """CREATE TABLE feed (sequence bigint PRIMARY KEY, organization_id uuid, event jsonb NOT NULL,
                                  recorded_at timestamptz NOT NULL)"""
        )
        connection.execute("INSERT INTO feed SELECT n, NULL, '{}', now() FROM generate_series(5, 9) AS n")
        (migration,) = (file for file in files(MIGRATIONS) if file.name.endswith("feed_in_days.sql"))
        connection.execute(migration.read_bytes())
        assert connection.execute("SELECT array_agg(sequence ORDER BY sequence) FROM feed").fetchone() == (
            [5, 6, 7, 8, 9],
        )
        assert connection.execute("SELECT last_sequence, oldest_sequence FROM feed_head").fetchone() == (9, 5)
        connection.execute("DROP SCHEMA moved CASCADE")


def closed_again(url: str) -> None:
    """Puts what lies in today's partition where events lie before their day is opened."""
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path TO variables")
        connection.execute("LOCK TABLE feed IN ACCESS EXCLUSIVE MODE")
        names = [name for (name,) in connection.execute(PARTITIONS) if name != "feed_rest"]
        for name in names:
            connection.execute(f"ALTER TABLE feed DETACH PARTITION {name}".encode())
            connection.execute(f"INSERT INTO feed SELECT * FROM {name}".encode())
            connection.execute(f"DROP TABLE {name}".encode())


async def test_a_day_is_opened_while_events_are_numbered_into_it(bench: Workbench, url: str) -> None:
    """As at a first start, when the sequencer is faster than whoever opens the day: nothing fails, nothing is lost."""
    wanted, done = 300, asyncio.Event()

    async def told() -> None:
        context = bench.context(bench.user, "Test")
        for _ in range(wanted):
            async with bench.database.tenant(bench.organization_id) as tx:
                await tx.record(event_of(context, "variable_space.denied", "PERMISSION_DENIED"))

    async def numbered() -> None:
        sequencer = Sequencer(bench.database)
        while not done.is_set():
            await sequencer.step(2)

    async def opened() -> None:
        for _ in range(15):
            await Retention(bench.database).open()
            await asyncio.to_thread(closed_again, url)

    numbering = asyncio.create_task(numbered())
    await asyncio.gather(told(), opened())
    done.set()
    await numbering
    assert len(await bench.events("variable_space.denied")) == wanted
