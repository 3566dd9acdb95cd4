"""Computed fields and aggregates, over every declared resource that has them: what is listed is what is measured."""

import json
from collections import Counter
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict

from framework.call import ANONYMOUS
from framework.engine.aggregating import value_of
from framework.errors import InvalidFields, Unauthenticated
from framework.query.formulas import batched
from framework.resource import Kind
from framework.resource.fields import Field
from framework.storage.rows import column_value
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

aggregatable = over("Aggregate")
computing = over(where=lambda spec: spec.computed)


def plain(field: Field, message: Any) -> Any:
    """Returns a field's value as an aggregate tells it."""
    return MessageToDict(value_of(column_value(field, message)))


def said(row: Any) -> dict[str, Any]:
    """Returns what a row of an aggregate says, by name."""
    return {name: MessageToDict(value) for name, value in [*row.keys.items(), *row.values.items()]}


@aggregatable
async def test_what_is_counted_is_what_is_listed(driver: Driver, bench: Workbench) -> None:
    """For everybody, with any filter; of nothing there are none, in the same one row."""
    made = [await driver.create(await driver.sound(n)) for n in range(3)]
    for actor in (driver.writer, bench.admin, bench.colleague, bench.viewer, bench.elsewhere().admin):
        for clause in ("", f"id = {made[0].id}", f"NOT id = {made[1].id}"):
            page = await driver.call("List", actor, page_size=1000, filter=clause)
            listed = len(getattr(page, driver.spec.collection))
            answer = await driver.call("Aggregate", actor, measures=["count() as n"], filter=clause)
            assert [said(row) for row in answer.rows] == [{"n": listed}], clause
    with pytest.raises(Unauthenticated):
        await driver.call("Aggregate", ANONYMOUS, measures=["count()"])


@aggregatable
async def test_groups_are_the_values_of_every_field(driver: Driver) -> None:
    """Each row is in one group; the largest groups can be asked for alone."""
    for n in range(3):
        await driver.create(await driver.sound(n))
    rows = await driver.walk()
    for field in [f for f in driver.spec.fields.values() if f.comparable]:
        counted = Counter(json.dumps(plain(field, row)) for row in rows)
        answer = await driver.call("Aggregate", measures=["count() as n"], group_by=[f"{field.name} as k"])
        assert {json.dumps(said(row)["k"]): said(row)["n"] for row in answer.rows} == counted, field.name
        most = max(counted.values())
        top = await driver.call(
            "Aggregate",
            measures=["count() as n"],
            group_by=[f"{field.name} as k"],
            having=f"n >= {most}",
            order_by="n desc",
            limit=1,
        )
        assert [said(row)["n"] for row in top.rows] == [most]
        assert top.truncated is (list(counted.values()).count(most) > 1)


@aggregatable
async def test_nothing_that_is_hidden_is_measured(driver: Driver) -> None:
    """Hidden columns and sensitive fields answer as fields that do not exist, wherever they are named."""
    sensitive = [field.name for field in driver.spec.fields.values() if field.sensitive]
    hidden = [
        n for n in (*driver.spec.storage.hidden, "organization_id", "lock_version") if n not in driver.spec.fields
    ]

    async def refusal(name: str, **asked: Any) -> str:
        with pytest.raises(InvalidFields) as refused:
            await driver.call("Aggregate", **{"measures": ["count()"], **asked})
        return str(refused.value).replace(name, "X")

    def naming(name: str) -> list[dict[str, Any]]:
        return [{"measures": [f"count({name})"]}, {"group_by": [name]}, {"filter": f"{name} = 1"}]

    for name in [*sensitive, *hidden]:
        for asked, unknown in zip(naming(name), naming("nothing"), strict=True):
            assert await refusal(name, **asked) == await refusal("nothing", **unknown)


@computing
async def test_a_computed_field_is_there_when_it_is_named(driver: Driver) -> None:
    """Then it is read, in Get and List alike; otherwise it is empty, and nothing is computed."""
    made = await driver.create()
    for name in driver.spec.computed:
        empty = type(made)()
        mask = FieldMask(paths=["id", name])
        got = await driver.call("Get", id=made.id, read_mask=mask)
        assert got in await driver.walk(read_mask=mask)
        for paths in ([], ["*"]):
            whole = await driver.call("Get", id=made.id, read_mask=FieldMask(paths=paths))
            assert getattr(whole, name) == getattr(empty, name)


@computing
async def test_every_computed_field_filters_and_orders(driver: Driver) -> None:
    """By its own value, pages apart, whether or not the mask names it; no row is lost or doubled."""
    made = {(await driver.create(await driver.sound(n))).id for n in range(3)}
    asked = [f for n, f in driver.spec.computed.items() if not isinstance(driver.spec.formula(n), batched)]
    for field in [f for f in asked if f.comparable and f.kind is not Kind.TIMESTAMP]:
        rows = await driver.walk(read_mask=FieldMask(paths=["id", field.name]))
        values = {row.id: column_value(field, row) for row in rows}
        wanted = values[min(made)]
        clause = f"{field.name} = {'null' if wanted is None else json.dumps(wanted)}"
        found = {row.id for row in await driver.walk(filter=clause, read_mask=FieldMask(paths=["id"]))}
        assert found == {i for i, value in values.items() if value == wanted}, clause
        for direction in ("", " desc"):
            walked = [row.id for row in await driver.walk(page_size=1, order_by=field.name + direction)]
            assert len(walked) == len(set(walked)) == len(values)
            there = [values[i] for i in walked if values[i] is not None]
            assert there == sorted(there, reverse=bool(direction))
