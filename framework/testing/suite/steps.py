"""The steps of a call come in one order: whoever is refused at one of them learns nothing of the later ones.

The order is that of `framework/engine/acting.py` and of docs/resources.md.
"""

from dataclasses import replace
from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import ANONYMOUS, Actor, Role
from framework.engine.behaviour import wrong_in
from framework.engine.reading import load
from framework.engine.writing import change
from framework.errors import (
    Failure,
    IllegalState,
    InvalidFields,
    NotFound,
    NotPermitted,
    StaleEtag,
    Unauthenticated,
    WriteConflict,
)
from framework.resource import GONE
from framework.testing.contract import Driver
from framework.testing.suite.choosing import Pair, over
from framework.testing.workbench import Workbench

living = over("Update", "Unarchive")
_LONG = "x" * 200


async def refusal(driver: Driver, actor: Actor, one: Any, **fields: Any) -> type[Failure]:
    """Returns how an update is refused."""
    given: dict[str, Any] = {driver.spec.singular: one, "update_mask": FieldMask(paths=["*"]), **fields}
    with pytest.raises(Failure) as refused:
        await driver.call("Update", actor, **given)
    return type(refused.value)


@living
async def test_every_refusal_hides_the_later_ones(driver: Driver, bench: Workbench) -> None:
    """An update with everything wrong that can be; each step mends what the one before complained of."""
    created = await driver.create(await driver.sound(1))  # odd ones are public: a colleague sees them
    wrong: Any = driver.spec.message(id=created.id, etag="0")
    demoted, stranger = replace(driver.writer, role=Role.VIEWER), bench.elsewhere().admin
    await driver.call("Archive", id=created.id)
    steps = [
        (ANONYMOUS, wrong, {"request_id": _LONG}, Unauthenticated),
        (demoted, wrong, {"request_id": _LONG}, NotPermitted),  # by action: no role lets them
        (stranger, wrong, {"request_id": _LONG}, InvalidFields),
        (stranger, wrong, {}, NotFound),
        (bench.colleague, wrong, {}, NotPermitted),  # by row: it is not theirs
        (driver.writer, wrong, {}, IllegalState),
    ]
    for actor, one, fields, expected in steps:
        assert await refusal(driver, actor, one, **fields) is expected
    back = await driver.call("Unarchive", id=created.id)
    assert await refusal(driver, driver.writer, wrong) is StaleEtag
    wrong.etag = back.etag
    assert await refusal(driver, driver.writer, wrong) is InvalidFields
    assert back == await driver.call("Get", id=created.id)


@living
async def test_an_illegal_move_says_where_it_stands_and_what_is_legal(driver: Driver) -> None:
    """In the metadata, by the names of RPCs."""
    archived = await driver.call("Archive", id=(await driver.create()).id)
    with pytest.raises(IllegalState) as refused:
        await driver.call("Update", **{driver.spec.singular: archived})
    noun = driver.spec.noun
    assert refused.value.metadata == {
        "status": "ARCHIVED",
        "action": "Update",
        "legal": ", ".join(f"{verb}{noun}" for verb in ("Unarchive", "Purge") if driver.method(verb)),
    }


@living
async def test_a_statement_alone_moves_nothing_illegally(driver: Driver, bench: Workbench) -> None:
    """The UPDATE itself finds only rows in a state that lets them move, whatever was read before."""
    spec, machine = driver.spec, driver.spec.states
    assert machine is not None
    created = await driver.create()
    context = bench.context(driver.writer, "anything")
    rows = {}
    for verb in ("Get", "Archive"):
        if verb == "Archive":
            await driver.call(verb, id=created.id)
        async with bench.database.tenant(bench.organization_id) as tx:
            row = await load(tx, spec, context, created.id, "Get")
        rows[row[machine.field]] = row
    current = await driver.call("Get", id=created.id)
    for value, verb in [(v, verb) for v in rows for verb in machine.legal(v)]:
        targets = machine.targets(value, verb)
        if current_state(driver, current) in machine.sources(verb) or targets == [machine.prefix + GONE]:
            continue
        async with bench.database.tenant(bench.organization_id) as tx:
            with pytest.raises(WriteConflict):
                await change(tx, spec, context, rows[value], {machine.field: targets[0]}, verb)
    assert current == await driver.call("Get", id=created.id)


def current_state(driver: Driver, message: Any) -> str:
    """Returns the stored state of a resource."""
    assert driver.spec.states is not None
    field = driver.spec.fields[driver.spec.states.field]
    enum = field.descriptor.enum_type
    assert enum is not None
    return str(enum.values_by_number[getattr(message, field.name)].name)


@over(creatable=False)
def test_every_required_field_of_a_request_is_demanded(pair: Pair) -> None:
    """By its path, whether or not a bound speaks of it."""
    for method in [m for m in pair.subjects.registry.methods.values() if m.resource is pair.spec]:
        request: Any = method.request_class()
        required = [f.name for f in request.DESCRIPTOR.fields if field_behavior_pb2.REQUIRED in behaviors(f)]
        complained = {v.path.split(".")[0] for v in wrong_in(request)}
        assert set(required) <= complained, method.name


def behaviors(field: Any) -> Any:
    """Returns what a field promises."""
    return field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
