"""What every list and read promises, over every declared resource: filters, nulls in orders, totals and masks."""

import json
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.errors import InvalidFields
from framework.resource.fields import Field
from framework.storage.rows import column_value
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over


def takes(driver: Driver, verb: str, field: str) -> bool:
    """Says whether a standard method's request has a field."""
    method = driver.method(verb)
    return method is not None and field in method.request_class.DESCRIPTOR.fields_by_name


def written(field: Field, message: Any) -> str:
    """Returns a field's value as filters write it."""
    value = column_value(field, message)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else json.dumps(str(value))


@over()
async def test_every_comparable_field_filters(driver: Driver) -> None:
    """A comparison with a row's own value finds the rows that share it, its negation the others."""
    rows = [await driver.create(await driver.sound(n)) for n in range(3)]
    rows = [r for r in await driver.walk() if r.id in {one.id for one in rows}]
    for field in [f for f in driver.spec.fields.values() if f.comparable]:
        mine = column_value(field, rows[0])
        alike = {r.id for r in rows if column_value(field, r) == mine}
        clause = f"{field.name} = {written(field, rows[0])}"
        assert alike == {r.id for r in await driver.walk(filter=clause)} & {r.id for r in rows}, clause
        others = {r.id for r in await driver.walk(filter=f"NOT ({clause})")} & {r.id for r in rows}
        assert others == {r.id for r in rows} - alike, clause


@over()
async def test_nulls_have_their_place(driver: Driver) -> None:
    """At the end unless the order says otherwise; no row is lost or doubled over the pages."""
    made = {(await driver.create(await driver.sound(n))).id for n in range(3)}
    for field in [f for f in driver.spec.fields.values() if f.sortable and f.nullable]:
        for nulls, first in (("", False), (" nulls first", True), (" desc nulls last", False)):
            rows = await driver.walk(page_size=1, order_by=field.name + nulls)
            absent = [column_value(field, r) is None for r in rows]
            assert absent == sorted(absent, reverse=first), field.name
            assert made <= {r.id for r in rows} and len({r.id for r in rows}) == len(rows)


@over()
async def test_the_total_size_is_told_when_it_is_asked_for(driver: Driver) -> None:
    """Over all pages, of what the filter leaves; otherwise nothing is counted."""
    if not takes(driver, "List", "show_total_size"):
        pytest.skip("its list does not count")
    made = [await driver.create(await driver.sound(n)) for n in range(3)]
    page = await driver.call("List", page_size=1, show_total_size=True)
    assert page.total_size == len(await driver.walk())
    page = await driver.call("List", page_size=1, show_total_size=True, filter=f"id = {made[0].id}")
    assert page.total_size == 1
    assert (await driver.call("List", page_size=1)).total_size == 0


@over()
async def test_a_read_mask_leaves_nothing_else(driver: Driver) -> None:
    """In Get and List alike; unknown paths are refused."""
    if not takes(driver, "Get", "read_mask"):
        pytest.skip("it is read whole")
    created = await driver.create()
    # What a mask alone brings is no part of what was created.
    alone = {"allowed_actions", *driver.spec.computed}
    for name in [f.name for f in created.DESCRIPTOR.fields if f.name not in alone]:
        mask = FieldMask(paths=[name])
        kept = type(created)()
        mask.MergeMessage(created, kept)
        assert await driver.call("Get", id=created.id, read_mask=mask) == kept
        assert kept in await driver.walk(page_size=2, read_mask=mask)
    for verb, fields in (("Get", {"id": created.id}), ("List", {})):
        with pytest.raises(InvalidFields) as refused:
            await driver.call(verb, read_mask=FieldMask(paths=["no_such_field"]), **fields)
        assert [v.path for v in refused.value.violations] == ["read_mask"]


@over()
async def test_hidden_columns_can_be_neither_filtered_nor_ordered_nor_read(driver: Driver) -> None:
    """They answer as fields that do not exist."""
    hidden = [*driver.spec.storage.hidden, "organization_id", "lock_version"]
    for name in [n for n in hidden if n not in driver.spec.fields]:
        probes: list[dict[str, Any]] = [{"filter": f"{name} = 1"}, {"order_by": name}]
        for asked in probes:
            with pytest.raises(InvalidFields):
                await driver.call("List", **asked)
