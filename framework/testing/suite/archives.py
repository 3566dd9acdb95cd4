"""What is put away, taken out again and deleted for good, over every declared resource that can be."""

from typing import Any

import pytest

from framework.errors import AlreadyExists, IllegalState, NotFound, NotPermitted, StaleEtag
from framework.identifiers import new_id
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

returning = over("Unarchive")
purgeable = over("Purge")


async def archived(driver: Driver, number: int = 0) -> Any:
    """Returns one that has been put away."""
    created = await driver.create(await driver.sound(number))
    return await driver.call("Archive", id=created.id)


async def told(bench: Workbench, identifier: str) -> list[str]:
    """Returns what has been told of one, in order, without its noun."""
    return [e["type"].split(".")[-1] for e in await bench.events() if e["resource_id"] == identifier]


@returning
async def test_what_is_taken_out_again_is_as_it_was(driver: Driver, bench: Workbench) -> None:
    """Listed, changed and told of as before; once is as good as twice."""
    created = await driver.create()
    assert created == await driver.call("Unarchive", id=created.id)
    await driver.call("Archive", id=created.id)
    back = await driver.call("Unarchive", id=created.id)
    assert back == await driver.call("Unarchive", id=created.id) == await driver.call("Get", id=created.id)
    moved = {"etag", "updated_at"}
    for field in [f.name for f in created.DESCRIPTOR.fields if f.name not in moved]:
        assert getattr(back, field) == getattr(created, field), field
    assert created.id in {r.id for r in await driver.walk()}
    if driver.method("Update"):
        change = await driver.sound(3)
        change.id = created.id
        await driver.update(change, driver.mutable()[0].name)
    expected = ["created", "archived", "unarchived"] + (["updated"] if driver.method("Update") else [])
    assert await told(bench, created.id) == [one for one in expected if one in driver.spec.publishes]


@returning
async def test_a_name_that_was_taken_meanwhile_stays_taken(driver: Driver) -> None:
    """The refusal names the fields; what is put away stays put away."""
    if not driver.spec.storage.unique:
        pytest.skip("nothing of it is unique")
    sound = await driver.sound()
    first = await driver.create(sound)
    await driver.call("Archive", id=first.id)
    await driver.create(sound)
    with pytest.raises(AlreadyExists) as refused:
        await driver.call("Unarchive", id=first.id)
    assert refused.value.metadata == {
        "resource": driver.spec.singular,
        "fields": ",".join(driver.spec.storage.unique[0]),
    }
    assert (await driver.call("Get", id=first.id)).HasField("archived_at")


@returning
async def test_taking_out_can_be_tried_and_sent_twice_and_minds_the_etag(driver: Driver, bench: Workbench) -> None:
    """As every write can."""
    put_away = await archived(driver)
    tried = await driver.call("Unarchive", id=put_away.id, validate_only=True)
    assert not tried.HasField("archived_at") and put_away == await driver.call("Get", id=put_away.id)
    with pytest.raises(StaleEtag):
        await driver.call("Unarchive", id=put_away.id, etag="0")
    first = await driver.call("Unarchive", id=put_away.id, etag=put_away.etag, request_id="once")
    assert first == await driver.call("Unarchive", id=put_away.id, etag=put_away.etag, request_id="once")
    assert "unarchived" not in driver.spec.publishes or (await told(bench, put_away.id)).count("unarchived") == 1


@purgeable
async def test_what_is_purged_is_gone_with_its_revisions(driver: Driver, bench: Workbench) -> None:
    """It is read and listed by nobody; its event tells the id and no content."""
    put_away = await archived(driver)
    answer = await driver.call("Purge", bench.admin, id=put_away.id)
    assert answer.id == put_away.id
    with pytest.raises(NotFound):
        await driver.call("Get", bench.admin, id=put_away.id)
    assert put_away.id not in {r.id for r in await driver.walk(show_archived=True)}
    if driver.spec.revisioned:
        async with bench.database.system() as tx:
            left = f"SELECT id FROM {driver.spec.collection}_revisions WHERE id = %(id)s"
            assert await tx.fetch(left, {"id": put_away.id}) == []
    (event,) = await bench.events(f"{driver.spec.singular}.purged")
    assert event["resource_id"] == put_away.id and event["actor"]["id"] == bench.admin.id
    assert event.get("data", {}).keys() <= {"id"}


@purgeable
async def test_only_administrators_purge_and_only_what_is_archived(driver: Driver, bench: Workbench) -> None:
    """Its owner may not; the refusal of one in use says what is legal."""
    created = await driver.create()
    with pytest.raises(IllegalState) as refused:
        await driver.call("Purge", bench.admin, id=created.id)
    assert refused.value.metadata["status"] == "ACTIVE"
    assert f"Archive{driver.spec.noun}" in refused.value.metadata["legal"].split(", ")
    await driver.call("Archive", id=created.id)
    for actor in {driver.writer.id: driver.writer, bench.colleague.id: bench.colleague}.values():
        if actor is not bench.admin:
            with pytest.raises(NotPermitted):
                await driver.call("Purge", actor, id=created.id)
    with pytest.raises(NotFound):
        await driver.call("Purge", bench.elsewhere().admin, id=created.id)
    assert (await driver.call("Get", id=created.id)).id == created.id


@purgeable
async def test_a_purge_can_be_tried_and_sent_twice(driver: Driver, bench: Workbench) -> None:
    """Tried, nothing is gone; sent again, it is answered again and told once."""
    put_away = await archived(driver)
    tried = await driver.call("Purge", bench.admin, id=put_away.id, validate_only=True)
    assert tried.id == put_away.id and put_away == await driver.call("Get", id=put_away.id)
    first = await driver.call("Purge", bench.admin, id=put_away.id, request_id="once")
    assert first == await driver.call("Purge", bench.admin, id=put_away.id, request_id="once")
    assert (await told(bench, put_away.id)).count("purged") == 1


@purgeable
async def test_the_database_alone_lets_nothing_be_deleted_that_is_in_use(driver: Driver, bench: Workbench) -> None:
    """Nor anything of another organization, whatever a statement says."""
    created, put_away = await driver.create(), await archived(driver, 1)
    statement = f"DELETE FROM {driver.spec.collection} WHERE id = %(id)s"
    async with bench.database.tenant(bench.organization_id) as tx:
        assert await tx.execute(statement, {"id": created.id}) == 0
    async with bench.database.tenant(new_id()) as tx:
        assert await tx.execute(statement, {"id": put_away.id}) == 0
    assert {created.id, put_away.id} <= {r.id for r in await driver.walk(show_archived=True)}
