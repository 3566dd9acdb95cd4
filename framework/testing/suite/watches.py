"""Every collection that publishes can be watched: its items are what a Get shows, to its own organization only."""

from typing import Any

from ashgrove.resource.v1.watch_pb2 import WatchRequest, WatchResponse

from framework.call import Actor
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

Item = WatchResponse.Item
watchable = over("Watch")


async def told(bench: Workbench, driver: Driver, actor: Actor, start: int, last: str, **asked: Any) -> list[Any]:
    """Returns the items after a position, up to the one about the resource that was written last."""
    method = driver.method("Watch")
    assert method is not None
    items: list[Any] = []
    async for frame in bench.frames(method.name, WatchRequest(from_sequence=start, **asked), actor):
        if frame.WhichOneof("frame") == "item":
            items.append(frame.item)
            if frame.item.resource_id == last:
                return items
    raise AssertionError("the stream ended")


async def reached(bench: Workbench) -> int:
    """Numbers what has committed and returns the feed's position."""
    await bench.events()
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT last_sequence AS n FROM feed_head")
    assert row is not None
    return int(row["n"])


@watchable
async def test_an_item_is_what_a_get_shows(driver: Driver, bench: Workbench) -> None:
    """Of the resource as it is now, once, however often it changed; nothing sensitive in what changed."""
    start = await reached(bench)
    made = [await driver.create(await driver.sound(number)) for number in range(3)]
    await reached(bench)
    items = await told(bench, driver, driver.writer, start, made[-1].id)
    mine = [item for item in items if item.resource_id in {one.id for one in made}]
    assert [(item.type, item.resource_id) for item in mine] == [(Item.TYPE_CREATED, one.id) for one in made]
    for item in mine:
        shown = driver.spec.message()
        assert item.resource.Unpack(shown)
        assert shown == await driver.call("Get", id=item.resource_id)


@watchable
async def test_nobody_else_hears_of_it(driver: Driver, bench: Workbench) -> None:
    """Not another organization, whoever asks there."""
    start = await reached(bench)
    made = await driver.create()
    there = bench.elsewhere()
    theirs = Driver(there, driver.subject)
    own = await theirs.create()
    await reached(bench)
    items = await told(there, theirs, there.admin, start, own.id)
    assert made.id not in {item.resource_id for item in items}


@watchable
async def test_what_is_put_away_leaves_the_view(driver: Driver, bench: Workbench) -> None:
    """Where there is an archive."""
    if driver.method("Archive") is None:
        return
    made = await driver.create()
    start = await reached(bench)
    await driver.call("Archive", id=made.id)
    await reached(bench)
    (gone,) = await told(bench, driver, driver.writer, start, made.id)
    (kept,) = await told(bench, driver, driver.writer, start, made.id, show_archived=True)
    assert (gone.type, kept.type) == (Item.TYPE_REMOVED, Item.TYPE_ARCHIVED)
