"""What a resource says may be done to it is what calls meet, over every declared resource that says so."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor, Role
from framework.engine.acting import check_state
from framework.engine.dispatch import authorize
from framework.engine.reading import load
from framework.errors import Failure
from framework.resource import MethodSpec
from framework.testing.contract import Driver
from framework.testing.counting import counted
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

_SAYS = "allowed_actions"
saying = over(where=lambda spec: _SAYS in spec.message.DESCRIPTOR.fields_by_name)
living = over("Archive", where=lambda spec: _SAYS in spec.message.DESCRIPTOR.fields_by_name)
MASK = FieldMask(paths=["id", "allowed_actions"])


def people(bench: Workbench, driver: Driver) -> list[Actor]:
    """Everybody who may see or do different things, a demoted owner and one with a narrow grant among them."""
    granted = frozenset({f"Get{driver.spec.noun}", f"Archive{driver.spec.noun}"})
    demoted, bounded = replace(driver.writer, role=Role.VIEWER), replace(driver.writer, actions=granted)
    return [bench.admin, driver.writer, demoted, bounded, bench.colleague, bench.viewer]


async def met(driver: Driver, actor: Actor, method: MethodSpec, identifier: str) -> bool:
    """Says whether a call would be let through to the row and find something to do there."""
    context, spec = driver.bench.context(actor, method.name), driver.spec
    try:
        authorize(method, context)
        async with driver.bench.database.tenant(actor.organization_id) as tx:
            row = await load(tx, spec, context, identifier, method.ruled_by)
        check_state(driver.bench.registry, spec, row, method.verb)
    except Failure:
        return False
    return spec.states is None or not spec.states.arrived(row[spec.states.field], method.verb)


@saying
async def test_allowed_actions_are_what_calls_meet(driver: Driver, bench: Workbench) -> None:
    """For everybody, in use and put away, by Get and by List."""
    rows = [(await driver.create(await driver.sound(number))).id for number in range(4)]
    if driver.method("Archive"):
        for identifier in rows[2:]:
            await driver.call("Archive", id=identifier)
    for actor in people(bench, driver):
        archived = {"show_archived": True} if driver.spec.archivable else {}
        page = await driver.call("List", replace(actor, actions=None), read_mask=MASK, **archived)
        listed = {one.id: list(one.allowed_actions) for one in getattr(page, driver.spec.collection)}
        for identifier in rows:
            expected = [
                rpc
                for rpc, method in bench.registry.acting_on(driver.spec).items()
                if await met(driver, actor, method, identifier)
            ]
            if f"Get{driver.spec.noun}" not in expected:
                assert not expected and (identifier not in listed)
                continue
            told = await driver.call("Get", actor, id=identifier, read_mask=MASK)
            assert list(told.allowed_actions) == expected, actor
            assert actor.actions is not None or listed[identifier] == expected


@living
async def test_what_is_allowed_is_done_and_nothing_else(driver: Driver, bench: Workbench) -> None:
    """By trying every standard verb that can be tried: what is absent is refused, or has nothing to do."""
    put_away = await driver.call("Archive", id=(await driver.create()).id)
    for one in (await driver.create(await driver.sound(1)), put_away):
        for actor in people(bench, driver)[:3]:
            told = await driver.call("Get", actor, id=one.id, read_mask=MASK)
            for verb in [v for v in ("Archive", "Unarchive", "Purge") if driver.method(v)]:
                try:
                    answer: Any = await driver.call(verb, actor, id=one.id, validate_only=True)
                    done = answer != one
                except Failure:
                    done = False
                assert done == (f"{verb}{driver.spec.noun}" in told.allowed_actions), (verb, actor.role)


@saying
async def test_nothing_is_said_unless_it_is_asked_and_asking_costs_no_statement(
    driver: Driver, bench: Workbench
) -> None:
    """It is filled by its name in the mask only; filters and orders know no such field."""
    created = await driver.create()
    assert not created.allowed_actions
    for mask in (FieldMask(), FieldMask(paths=["*"]), FieldMask(paths=["id"])):
        assert not (await driver.call("Get", id=created.id, read_mask=mask)).allowed_actions
    with counted(bench.database) as queries:
        await driver.call("List", read_mask=MASK)
    assert len(queries) == 1
    probes: list[dict[str, Any]] = [{"filter": 'allowed_actions = "a"'}, {"order_by": "allowed_actions"}]
    for asked in probes:
        with pytest.raises(Failure):
            await driver.call("List", **asked)
