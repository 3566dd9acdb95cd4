"""What a service keeps of another's rows: right after any crash, and made anew without a moment of wrong answers."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ashgrove.event.v1 import event_feed_service_pb2 as pb
from ashgrove.event.v1.event_pb2 import Event
from spectators import PRIVATE, PUBLIC, change, create, space

from framework.errors import NotFound, PositionGone
from framework.events.rollups import counters
from framework.events.tail import Consumer, follow, position, rebuild
from framework.storage import Transaction
from framework.tasks import stopped
from framework.testing.feeds import LocalFeed
from framework.testing.waiting import until
from framework.testing.workbench import Workbench, workbench
from services.optimizer.access import clear, project
from services.optimizer.registry import registry as optimizer_registry
from services.program.registry import registry as program_registry
from services.program.resources import Program
from services.variables.registry import registry as variables_registry
from tests.integration.optimizer.books import MIGRATIONS as OPTIMIZER_MIGRATIONS
from tests.integration.optimizer.books import Grants, started


@pytest.fixture(scope="module")
def url(postgres_url: str) -> str:
    """The URL of the module's own database: feeds are everybody's."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE projections")
    return postgres_url.rsplit("/", 1)[0] + "/projections"


@pytest.fixture
async def optimizer(url: str) -> AsyncIterator[Workbench]:
    async with workbench(optimizer_registry(), url, OPTIMIZER_MIGRATIONS, Grants()) as made, made.telling():
        yield made


@pytest.fixture
async def variables(url: str, optimizer: Workbench) -> AsyncIterator[Workbench]:
    """The variables service, seen from the organization of the optimizer's people."""
    async with workbench(variables_registry(), url, Path("services/variables/migrations")) as made, made.telling():
        people = ("organization_id", "admin", "user", "colleague", "viewer")
        yield replace(made, **{name: getattr(optimizer, name) for name in people})


@pytest.fixture
async def programs(url: str, optimizer: Workbench) -> AsyncIterator[Workbench]:
    """The program service, likewise."""
    async with workbench(program_registry(), url, Path("services/program/migrations")) as made, made.telling():
        people = ("organization_id", "admin", "user", "colleague", "viewer")
        yield replace(made, **{name: getattr(optimizer, name) for name in people})


async def caught_up(consumer: Consumer, here: Workbench, there: Workbench) -> None:
    """Waits until a consumer has dealt with all that its owner has told."""
    last = (await there.events())[-1]["sequence"]

    async def caught() -> bool:
        return await position(here.database, consumer.name) >= last

    await until(caught)


async def count_of(bench: Workbench, identifier: str) -> int:
    """Returns how many runs a space says it has."""
    async with bench.database.system() as tx:
        row = await tx.fetch_one(
            "SELECT optimization_run_count AS n FROM variable_spaces WHERE id = %(id)s", {"id": identifier}
        )
    assert row is not None
    return int(row["n"])


async def test_each_run_is_counted_once_however_often_its_follower_dies(
    optimizer: Workbench, variables: Workbench
) -> None:
    """The count and the cursor commit together; the row's etag does not move."""
    (consumer,) = counters(variables.registry, {"optimizer": LocalFeed(optimizer, "variables")})
    spaces = [await create(variables, space(f"space {number}")) for number in range(2)]
    dice = random.Random(7)
    for number in range(24):
        await started(optimizer, variable_space_id=spaces[number % 2].id)
    for _ in range(6):
        following = asyncio.create_task(follow(consumer, variables.database))
        await asyncio.sleep(dice.random() * 0.05)
        await stopped([following])
    following = asyncio.create_task(follow(consumer, variables.database))
    await caught_up(consumer, variables, optimizer)
    await stopped([following])
    assert [await count_of(variables, one.id) for one in spaces] == [12, 12]
    read = (await variables.events("variable_space.updated"), await variables.events("variable_space.created"))
    assert (len(read[0]), len(read[1])) == (0, 2)


async def test_a_count_that_is_made_anew_while_runs_come_is_exact(optimizer: Workbench, variables: Workbench) -> None:
    """Rows and position are of one moment: none is counted twice and none is missed."""
    (consumer,) = counters(variables.registry, {"optimizer": LocalFeed(optimizer, "variables")})
    made = await create(variables, space("counted"))
    following = asyncio.create_task(follow(consumer, variables.database))
    running = asyncio.create_task(_many(optimizer, made.id, 60))
    for _ in range(4):
        await rebuild(consumer, variables.database)
    await running
    await caught_up(consumer, variables, optimizer)
    await stopped([following])
    assert await count_of(variables, made.id) == 60


async def _many(optimizer: Workbench, space_id: str, number: int) -> None:
    for _ in range(number):
        await started(optimizer, variable_space_id=space_id)


async def test_access_is_made_anew_without_a_moment_of_open_doors(optimizer: Workbench, programs: Workbench) -> None:
    """Whoever looks while it is made sees what was there before; afterwards it is as the owner's rows are."""
    consumer = Consumer("access:test", LocalFeed(programs, "optimizer"), project, ["program"], clear)
    call = programs.engine.call(programs.context(programs.user, "CreateProgram"))
    program = Program.message(name="p", visibility="VISIBILITY_PUBLIC", type="TYPE_PREDICT")
    program.signature_config.inputs.add(name="question", type="TYPE_STRING")
    program.signature_config.outputs.add(name="answer", type="TYPE_STRING")
    created: Any = await call.create(Program, program)
    await rebuild(consumer, optimizer.database)
    assert await _visibilities(optimizer, created.id) == ["VISIBILITY_PUBLIC"]
    await call.update(Program, created.id, {"visibility": "VISIBILITY_PRIVATE"})
    seen: list[list[str]] = []

    async def slowly(tx: Transaction, event: Event) -> None:
        seen.append(await _visibilities(optimizer, created.id))
        await project(tx, event)

    assert await rebuild(replace(consumer, handle=slowly), optimizer.database) >= 1
    assert set(map(tuple, seen)) == {("VISIBILITY_PUBLIC",)}
    assert await _visibilities(optimizer, created.id) == ["VISIBILITY_PRIVATE"]


async def _visibilities(optimizer: Workbench, identifier: str) -> list[str]:
    async with optimizer.database.system() as tx:
        rows = await tx.fetch("SELECT visibility FROM program_access WHERE id = %(id)s", {"id": identifier})
    return [str(row["visibility"]) for row in rows]


async def test_a_follower_that_comes_too_late_begins_with_the_owners_rows(
    optimizer: Workbench, variables: Workbench
) -> None:
    """What it missed is gone from the feed, and is right all the same."""
    made = await create(variables, space("late"))
    await _many(optimizer, made.id, 3)
    await optimizer.events()
    (consumer,) = counters(variables.registry, {"optimizer": Late(optimizer, "variables")})
    following = asyncio.create_task(follow(consumer, variables.database))
    await _many(optimizer, made.id, 2)
    await caught_up(consumer, variables, optimizer)
    await stopped([following])
    assert await count_of(variables, made.id) == 5


class Late(LocalFeed):
    """A feed that keeps nothing of what came before the first question."""

    gone = False

    async def tail(self, request: pb.TailRequest) -> AsyncIterator[pb.TailResponse]:
        """Refuses once."""
        if not self.gone:
            self.gone = True
            raise PositionGone(1_000_000)
        async for frame in super().tail(request):
            yield frame


async def test_a_snapshot_tells_nothing_sensitive_and_knows_its_resources(variables: Workbench) -> None:
    """It says of a row what its events say; another noun is refused."""
    await create(variables, space("public", PUBLIC))
    hidden = await create(variables, space("private", PRIVATE))
    await change(variables, hidden.id, description="changed")
    feed = LocalFeed(variables, "audit")
    frames = [frame async for frame in feed.snapshot(pb.SnapshotRequest(resource_types=["variable_space"]))]
    events = [frame.item for frame in frames[:-1]]
    assert {e.type for e in events} == {"variable_space.snapshot"}
    told = {e.resource_id: e.data for e in events}[hidden.id]
    assert told["description"] == "changed" and "etag" not in told
    assert frames[-1].heartbeat.sequence == (await variables.events())[-1]["sequence"]
    with pytest.raises(NotFound):
        async for _ in feed.snapshot(pb.SnapshotRequest(resource_types=["secret"])):
            raise AssertionError("nothing may be told")
