"""One suite over every declared resource: a new one is tested the moment it is declared."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from framework.call import Actor
from framework.errors import Failure, InvalidFields, NotFound, StaleEtag
from framework.identifiers import new_id
from framework.resource import MethodSpec
from framework.storage.droppable import tables_behind
from framework.testing.contract import Driver, forged
from framework.testing.suite.choosing import Pair, over
from framework.testing.workbench import Workbench

creatable = over()
updatable = over("Update")
archivable = over("Archive")
walled = over(where=lambda spec: spec.tenant, creatable=False)
_IMPLIED = {"revision", "content_hash", "updated_at"}


@creatable
async def test_what_is_created_is_what_is_read(driver: Driver) -> None:
    """All that was said is kept, and read the same by Get and List."""
    sound = await driver.sound()
    created = await driver.create(sound)
    assert created == await driver.call("Get", id=created.id)
    assert [created] == [r for r in await driver.walk() if r.id == created.id]
    for field in driver.mutable():
        assert getattr(created, field.name) == getattr(sound, field.name), field.name


@creatable
async def test_what_a_client_says_about_output_only_fields_is_ignored(driver: Driver) -> None:
    """Neither id, owner, status nor time can be forged."""
    message = await driver.sound()
    forgeries = {f.name: forged(f, message) for f in driver.spec.fields.values() if f.output_only}
    created = await driver.create(message)
    for name, value in forgeries.items():
        if driver.spec.fields[name].kind.value != "jsonb":
            assert getattr(created, name) != value, name


@creatable
async def test_every_order_lists_every_row_once_over_all_pages(driver: Driver) -> None:
    """However many rows share a value."""
    made = {(await driver.create(await driver.sound(n))).id for n in range(7)}
    for name in [f.name for f in driver.spec.fields.values() if f.sortable]:
        for direction in ("", " desc"):
            rows = await driver.walk(page_size=2, order_by=name + direction)
            assert sorted(r.id for r in rows) == sorted(made), name


@creatable
async def test_the_newest_come_first_unless_an_order_is_named(driver: Driver) -> None:
    """By the time of creation, then by id."""
    for n in range(4):
        await driver.create(await driver.sound(n))
    rows = await driver.walk(page_size=3)
    keys = [(r.created_at.ToNanoseconds(), r.id) for r in rows]
    assert all(a > b for a, b in pairwise(keys))


@updatable
async def test_an_update_touches_the_paths_of_its_mask_only(driver: Driver) -> None:
    """Besides what follows from them."""
    before = await driver.create()
    wanted = await driver.sound(3)
    wanted.id = before.id
    for field in driver.mutable():
        after = await driver.update(wanted, field.name)
        assert getattr(after, field.name) == getattr(wanted, field.name)
        for other in driver.spec.fields.keys() - {field.name, *driver.subject.derived, *_IMPLIED}:
            assert getattr(after, other) == getattr(before, other), (field.name, other)
        before = after


@updatable
async def test_a_changed_immutable_field_is_refused_by_name(driver: Driver) -> None:
    """The same value is no change."""
    created = await driver.create()
    for field in [f for f in driver.spec.fields.values() if f.immutable]:
        assert created == await driver.update(created, field.name)
        changed = type(created)()
        changed.CopyFrom(created)
        if forged(field, changed) == getattr(created, field.name):
            continue
        with pytest.raises(InvalidFields) as refused:
            await driver.update(changed, field.name)
        assert f"{driver.spec.singular}.{field.name}" in {v.path for v in refused.value.violations}


@updatable
async def test_a_stale_etag_writes_nothing(driver: Driver) -> None:
    """And the current one does."""
    created = await driver.create()
    change = await driver.sound(3)
    change.id, change.etag = created.id, created.etag
    name = driver.mutable()[0].name
    current = await driver.update(change, name)
    with pytest.raises(StaleEtag):
        await driver.update(change, name)
    assert current == await driver.call("Get", id=created.id)
    change.etag = current.etag
    assert (await driver.update(change, name)).id == created.id


@updatable
async def test_an_update_that_changes_nothing_writes_nothing(driver: Driver, bench: Workbench) -> None:
    """Neither etag nor time moves, and nothing is told; what only the server sets may be named, and stays as it is."""
    created = await driver.create()
    assert created == await driver.update(created, "*")
    claimed = driver.spec.message(id=created.id)
    ours = [f for f in driver.spec.fields.values() if f.output_only and f.name != "id"]
    for field in ours:
        forged(field, claimed)
    assert created == await driver.update(claimed, *(field.name for field in ours))
    assert [e["type"] for e in await bench.events() if e["resource_id"] == created.id] == [
        f"{driver.spec.singular}.created"
    ]


@updatable
async def test_an_update_tells_what_it_changed(driver: Driver, bench: Workbench) -> None:
    """The fields whose values differ, and those that follow from them, sorted."""
    created = await driver.create()
    wanted = await driver.sound(3)
    wanted.id = created.id
    after = await driver.update(wanted, *(f.name for f in driver.mutable()))
    differing = {n for n in driver.spec.fields if getattr(after, n) != getattr(created, n)} - {"updated_at"}
    told = (await bench.events(f"{driver.spec.singular}.updated"))[-1]
    assert told["changed_paths"] == sorted(differing)


@updatable
async def test_an_unknown_path_is_refused(driver: Driver) -> None:
    """The violation names the mask."""
    created = await driver.create()
    with pytest.raises(InvalidFields) as refused:
        await driver.update(created, "no_such_field")
    assert [v.path for v in refused.value.violations] == ["update_mask"]


@creatable
async def test_another_organization_finds_nothing(driver: Driver, bench: Workbench) -> None:
    """Not even its administrator; hidden and missing answer alike."""
    created = await driver.create()
    stranger = bench.elsewhere().admin
    missing = type(created)(id=str(new_id()))

    async def refusal(verb: str, message: Any) -> Failure:
        fields = {driver.spec.singular: message} if verb == "Update" else {"id": message.id}
        with pytest.raises(NotFound) as refused:
            await driver.call(verb, stranger, **fields)
        return refused.value

    for verb in [v for v in ("Get", "Update", "Archive") if driver.method(v)]:
        hidden, absent = await refusal(verb, created), await refusal(verb, missing)
        assert hidden.message.replace(created.id, "") == absent.message.replace(missing.id, "")
    page = await driver.call("List", stranger)
    assert not getattr(page, driver.spec.collection)
    token = (await driver.call("List", page_size=1)).next_page_token
    if token:
        with pytest.raises(InvalidFields):
            await driver.call("List", stranger, page_token=token)


@creatable
async def test_no_custom_rpc_reaches_into_another_organization(driver: Driver, bench: Workbench) -> None:
    """Streams neither: the resource is NOT_FOUND, and nothing is done to it."""
    created = await driver.create()
    # Not even the platform's operator, who may do what no administrator may.
    stranger = replace(bench.elsewhere().admin, operator=True)
    for method, request in driver.acts(created.id):
        with pytest.raises(NotFound):
            await _first(bench, method, request, stranger)
    assert created == await driver.call("Get", id=created.id)


async def _first(bench: Workbench, method: MethodSpec, request: Any, actor: Actor) -> None:
    context = bench.context(actor, method.name)
    if not method.streaming:
        await bench.engine.unary(method, context, request)
        return
    async for _ in bench.engine.stream(method, context, request):
        return


@creatable
async def test_the_database_alone_shows_no_foreign_row_and_takes_none(driver: Driver, bench: Workbench) -> None:
    """With the application's filter gone, row-level security still stands."""
    await driver.create()
    tables = [driver.spec.collection] + ([f"{driver.spec.collection}_revisions"] if driver.spec.revisioned else [])
    for table in tables:
        for tenant, expected in ((bench.organization_id, True), (new_id(), False), (None, False)):
            async with bench.database.tenant(tenant) as tx:
                rows = await tx.fetch(f"SELECT organization_id FROM {table}")
            assert bool(rows) is expected
            assert {r["organization_id"] for r in rows} <= {bench.organization_id}
        async with bench.database.tenant(new_id()) as tx:
            assert await tx.execute(f"UPDATE {table} SET created_at = now()") == 0


@walled
async def test_every_tenant_table_is_walled(bench: Workbench, pair: Pair) -> None:
    """Row-level security is enabled and forced, also for its owner."""
    for table in tables_behind(pair.spec):
        async with bench.database.system() as tx:
            row = await tx.fetch_one(
                "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %(t)s::regclass", {"t": table}
            )
        assert row == {"relrowsecurity": True, "relforcerowsecurity": True}, table


@archivable
async def test_archiving_hides_from_lists_and_twice_is_once(driver: Driver) -> None:
    """An archived resource is still read, and changed no more."""
    created = await driver.create()
    archived = await driver.call("Archive", id=created.id)
    assert archived.HasField("archived_at")
    assert archived == await driver.call("Archive", id=created.id) == await driver.call("Get", id=created.id)
    assert created.id not in {r.id for r in await driver.walk()}
    assert created.id in {r.id for r in await driver.walk(show_archived=True)}
    if driver.method("Update"):
        with pytest.raises(Failure) as refused:
            await driver.call("Update", **{driver.spec.singular: created})
        assert refused.value.code.name in ("FAILED_PRECONDITION", "ABORTED")


@creatable
async def test_every_write_leaves_one_event_and_a_refused_one_none(driver: Driver, bench: Workbench) -> None:
    """In order, with the actor, and without sensitive fields."""
    created = await driver.create()
    expected = ["created"]
    if driver.method("Update"):
        change = await driver.sound(3)
        change.id = created.id
        await driver.update(change, driver.mutable()[0].name)
        expected.append("updated")
        with pytest.raises(InvalidFields):
            await driver.update(change, "no_such_field")
    if driver.method("Archive"):
        await driver.call("Archive", id=created.id)
        await driver.call("Archive", id=created.id)
        expected.append("archived")
    told = [e for e in await bench.events() if e["resource_id"] == created.id]
    wanted = [f"{driver.spec.singular}.{what}" for what in expected if what in driver.spec.publishes]
    assert [e["type"] for e in told] == wanted
    for event in told:
        assert event["actor"]["id"] == driver.writer.id and event["outcome"] == "OK"
        assert not {f.name for f in driver.spec.fields.values() if f.sensitive} & event["data"].keys()
