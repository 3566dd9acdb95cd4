"""An upsert is a create or an update, whichever is due: the same answers, policies, events, and refusals."""

import asyncio
from typing import Any

import pytest

from framework.call import Role
from framework.errors import Failure, StaleEtag
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.suite.writing_twice import told
from framework.testing.workbench import Workbench

upsertable = over("Upsert", "Update", "Get")


async def put(driver: Driver, message: Any, actor: Any = None, **more: Any) -> tuple[Any, bool]:
    """Upserts, and returns the resource and whether it is new."""
    answer = await driver.call("Upsert", actor, **{driver.spec.singular: message}, **more)
    return getattr(answer, driver.spec.singular), answer.created


@upsertable
async def test_what_is_put_is_created_once_and_then_changed(driver: Driver, bench: Workbench) -> None:
    """By its unique values; each time with the event of what was done, and none when nothing changes."""
    sound = await driver.sound()
    first, created = await put(driver, sound)
    assert created and first == await driver.call("Get", id=first.id)
    before = await told(bench)
    again, created = await put(driver, sound)
    assert (again, created) == (first, False) and await told(bench) == before
    sound.description = "changed by an upsert"
    changed, created = await put(driver, sound)
    assert (changed.id, changed.description, created) == (first.id, sound.description, False)
    (event,) = [e for e in await bench.events() if e["resource_id"] == first.id][1:]
    assert event["type"] == f"{driver.spec.singular}.updated"
    assert event["action"] == f"Upsert{driver.spec.noun}" and "description" in event["changed_paths"]


@upsertable
async def test_an_upsert_minds_etag_archive_and_rehearsal(driver: Driver, bench: Workbench) -> None:
    """A stale etag writes nothing; what was put away is not taken out again; what is tried is not done."""
    sound = await driver.sound()
    tried, created = await put(driver, sound, validate_only=True)
    assert created and not tried.id and not await driver.walk()
    first, _ = await put(driver, sound)
    sound.description, sound.etag = "late", str(int(first.etag) + 7)
    with pytest.raises(StaleEtag):
        await put(driver, sound)
    sound.etag = first.etag
    assert (await put(driver, sound))[0].description == "late"
    sound.etag = ""
    if driver.method("Archive"):
        await driver.call("Archive", id=first.id)
        assert (await put(driver, sound))[1]


@upsertable
async def test_an_upsert_asks_the_policies_of_what_it_does(driver: Driver, bench: Workbench) -> None:
    """Whoever may not create may not put; nobody changes by it what they may not update, or learns that it is there."""
    sound = await driver.sound()
    mine, _ = await put(driver, sound)
    with pytest.raises(Failure):
        await put(driver, sound, bench.viewer)
    for other in (bench.colleague, bench.elsewhere().user):
        try:
            theirs, created = await put(driver, sound, other)
            assert created and theirs.id != mine.id, "a unique value of each owner's, or organization's, own"
        except Failure as refused:
            assert other.role is not Role.ADMIN and "description" not in refused.message
    assert await driver.call("Get", id=mine.id) == mine


@upsertable
async def test_the_same_put_at_once_is_one(driver: Driver, bench: Workbench) -> None:
    """One is new and the others find it; under one request id all are answered alike."""
    sound = await driver.sound()
    every = await asyncio.gather(*(put(driver, sound) for _ in range(4)))
    assert len({one.id for one, _ in every}) == 1 and [created for _, created in every].count(True) == 1
    other = await driver.sound(3)
    once = [await put(driver, other, request_id="once") for _ in range(2)]
    assert once[0] == once[1] and once[0][1]
