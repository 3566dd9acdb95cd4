"""Requests that are only tried and requests that come twice, over every declared resource that takes them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Role
from framework.errors import Failure, InvalidFields, NotPermitted
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

_EACH_TIME = {"id", "created_at", "updated_at"}


def asked(driver: Driver, verb: str, field: str) -> bool:
    """Says whether a standard method's request has a field; without it there is nothing to hold."""
    method = driver.method(verb)
    return method is not None and field in method.request_class.DESCRIPTOR.fields_by_name


def lasting(message: Any) -> dict[str, Any]:
    """Returns what does not differ from one creation to the next."""
    return {f.name: getattr(message, f.name) for f in message.DESCRIPTOR.fields if f.name not in _EACH_TIME}


async def told(bench: Workbench) -> int:
    """Returns how much has been told."""
    return len(await bench.events())


@over()
async def test_what_is_only_validated_is_answered_and_not_done(driver: Driver, bench: Workbench) -> None:
    """The answer is the resource as it would be; neither row nor event is left."""
    if not asked(driver, "Create", "validate_only"):
        pytest.skip("it cannot be tried")
    noun, sound = driver.spec.singular, await driver.sound()
    before, rows = await told(bench), len(await driver.walk())
    tried = await driver.call("Create", validate_only=True, **{noun: sound})
    assert (await told(bench), len(await driver.walk())) == (before, rows) and not tried.id
    created = await driver.create(sound)
    assert lasting(tried) == lasting(created)
    if asked(driver, "Update", "validate_only"):
        change = await driver.sound(3)
        change.id = created.id
        before = await told(bench)
        given: dict[str, Any] = {noun: change, "update_mask": FieldMask(paths=[f.name for f in driver.mutable()])}
        would = await driver.call("Update", validate_only=True, **given)
        assert (await driver.call("Get", id=created.id), await told(bench)) == (created, before)
        assert lasting(would) == lasting(await driver.call("Update", **given))


@over()
async def test_what_is_only_validated_is_refused_as_it_would_be(driver: Driver, bench: Workbench) -> None:
    """By its fields, by its unique values, and by who asks."""
    if not asked(driver, "Create", "validate_only"):
        pytest.skip("it cannot be tried")
    noun, sound = driver.spec.singular, await driver.sound()
    empty = type(sound)()
    stranger = replace(bench.viewer, role=None)
    await driver.create(sound)
    for actor, message in ((driver.writer, empty), (driver.writer, sound), (stranger, sound)):
        verdicts = []
        for validate_only in (True, False):
            try:
                await driver.call("Create", actor, validate_only=validate_only, **{noun: message})
                verdicts.append("done")
            except Failure as refused:
                verdicts.append(repr((type(refused), refused.message)))
        assert verdicts[0] == verdicts[1]


@over()
async def test_the_same_request_is_done_once(driver: Driver, bench: Workbench) -> None:
    """However often it comes, one after another and all at once; each is answered alike."""
    if not asked(driver, "Create", "request_id"):
        pytest.skip("it cannot be sent twice")
    noun, sound = driver.spec.singular, await driver.sound()
    first = await driver.call("Create", request_id="once", **{noun: sound})
    before, rows = await told(bench), len(await driver.walk())
    again = [driver.call("Create", request_id="once", **{noun: sound}) for _ in range(3)]
    assert [first] * 3 == list(await asyncio.gather(*again))
    assert (await told(bench), len(await driver.walk())) == (before, rows)
    other = await driver.sound(3)
    at_once = [driver.call("Create", request_id="at once", **{noun: other}) for _ in range(3)]
    assert len({one.id for one in await asyncio.gather(*at_once)}) == 1


@over()
async def test_a_request_id_is_for_one_request_of_one_caller(driver: Driver, bench: Workbench) -> None:
    """Another body is refused; another caller, method or organization has ids of its own; a day later it is new."""
    if not asked(driver, "Create", "request_id"):
        pytest.skip("it cannot be sent twice")
    noun, sound = driver.spec.singular, await driver.sound()
    created = await driver.call("Create", request_id="mine", **{noun: sound})
    with pytest.raises(InvalidFields) as refused:
        await driver.call("Create", request_id="mine", **{noun: await driver.sound(3)})
    assert [v.path for v in refused.value.violations] == ["request_id"]
    theirs = (
        await driver.call("Create", bench.admin, request_id="mine", **{noun: await driver.sound(5)})
        if (driver.writer is not bench.admin)
        else None
    )
    assert theirs is None or theirs.id != created.id
    async with bench.database.system() as tx:
        aged = "UPDATE replays SET recorded_at = now() - interval '25 hours' WHERE organization_id = %(o)s"
        await tx.execute(aged, {"o": bench.organization_id})
    assert (await driver.call("Create", request_id="mine", **{noun: await driver.sound(7)})).id != created.id


@over()
async def test_a_replay_is_authorised_again(driver: Driver, bench: Workbench) -> None:
    """Whoever has lost the right to do it is told nothing of what was done; a refused request leaves its id free."""
    if not asked(driver, "Create", "request_id"):
        pytest.skip("it cannot be sent twice")
    noun, sound = driver.spec.singular, await driver.sound()
    demoted = replace(driver.writer, role=Role.VIEWER)
    with pytest.raises(NotPermitted):
        await driver.call("Create", demoted, request_id="lost", **{noun: sound})
    await driver.call("Create", request_id="lost", **{noun: sound})
    with pytest.raises(NotPermitted):
        await driver.call("Create", demoted, request_id="lost", **{noun: sound})
    for bad in ("x" * 129, "\0", "a\n"):
        with pytest.raises(InvalidFields):
            await driver.call("Create", request_id=bad, **{noun: sound})
