"""Batches of creations, over every declared resource that has them: each as if alone, and all or none."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from framework.call import Actor, Role
from framework.errors import AlreadyExists, InvalidFields, NotPermitted
from framework.testing.contract import Driver, forged
from framework.testing.counting import counted
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

batched = over("BatchCreate")
_OWN = {"id", "created_at", "updated_at"}


async def sounds(driver: Driver, count: int) -> list[Any]:
    """Returns messages that differ from one another."""
    return [await driver.sound(number) for number in range(count)]


async def batch(driver: Driver, messages: list[Any], actor: Actor | None = None, **fields: Any) -> list[Any]:
    """Creates them all at once."""
    asked: dict[str, Any] = {driver.spec.collection: messages, **fields}
    answer = await driver.call("BatchCreate", actor, **asked)
    return list(getattr(answer, driver.spec.collection))


def lasting(message: Any) -> dict[str, Any]:
    """Returns what does not differ from one creation to the next."""
    return {f.name: getattr(message, f.name) for f in message.DESCRIPTOR.fields if f.name not in _OWN}


@batched
async def test_a_batch_makes_what_single_calls_make(driver: Driver, bench: Workbench) -> None:
    """In order, read as it was answered, each with its event and its revision."""
    messages = await sounds(driver, 3)
    made = await batch(driver, messages)
    assert made == [await driver.call("Get", id=one.id) for one in made]
    told = [
        e for e in await bench.events(f"{driver.spec.singular}.created") if e["resource_id"] in {m.id for m in made}
    ]
    assert [e["resource_id"] for e in told] == [m.id for m in made]
    for one, event, message in zip(made, told, messages, strict=True):
        await driver.call("Archive", id=one.id)
        alone = await driver.create(message)
        assert lasting(one) == lasting(alone)
        (single,) = [e for e in await bench.events(f"{driver.spec.singular}.created") if e["resource_id"] == alone.id]
        assert event["data"].keys() == single["data"].keys() and event["actor"] == single["actor"]
        assert event.keys() == single.keys()
        if driver.spec.revisioned:
            assert (await driver.call("Get", id=one.id, revision=1)).content_hash == alone.content_hash


@batched
async def test_every_violation_is_told_with_its_place_and_nothing_is_left(driver: Driver, bench: Workbench) -> None:
    """Whether bounds, required fields or the resource itself complain."""
    messages, empty = await sounds(driver, 4), driver.spec.message()
    messages[1] = messages[3] = empty
    before = len(await bench.events())
    with pytest.raises(InvalidFields) as refused:
        await batch(driver, messages)
    collection = driver.spec.collection
    assert {v.path.split(".")[0] for v in refused.value.violations} == {f"{collection}[1]", f"{collection}[3]"}
    assert (len(await bench.events()), await driver.walk()) == (before, [])


@batched
async def test_taken_values_are_told_with_their_places(driver: Driver) -> None:
    """Taken by an older row, or by an earlier one of the same batch; nothing is left."""
    messages = await sounds(driver, 4)
    older = await driver.create(messages[1])
    with pytest.raises(AlreadyExists) as refused:
        await batch(driver, [*messages, messages[2]])
    places = refused.value.metadata["places"].split(", ")
    assert places == [f"{driver.spec.collection}[1]", f"{driver.spec.collection}[4]"]
    unique = dict.fromkeys(name for group in driver.spec.storage.unique for name in group)
    assert refused.value.metadata["fields"] == ",".join(unique)
    assert [r.id for r in await driver.walk()] == [older.id]


@batched
async def test_batches_are_bounded(driver: Driver) -> None:
    """By one and by a thousand."""
    for messages in ([], [driver.spec.message()] * 1001):
        with pytest.raises(InvalidFields) as refused:
            await batch(driver, messages)
        assert {v.path for v in refused.value.violations} >= {driver.spec.collection}


@batched
async def test_output_only_fields_of_a_batch_are_ignored(driver: Driver) -> None:
    """In each of its messages."""
    message = await driver.sound()
    forgeries = {f.name: forged(f, message) for f in driver.spec.fields.values() if f.output_only}
    (made,) = await batch(driver, [message])
    for name, value in forgeries.items():
        if driver.spec.fields[name].kind.value != "jsonb":
            assert getattr(made, name) != value, name


@batched
async def test_who_may_not_create_one_may_not_create_many(driver: Driver, bench: Workbench) -> None:
    """The same policies decide."""
    with pytest.raises(NotPermitted):
        await batch(driver, await sounds(driver, 2), bench.viewer)


@batched
async def test_a_batch_can_be_tried_and_sent_twice(driver: Driver, bench: Workbench) -> None:
    """Tried, it leaves nothing; sent again, it is answered again."""
    messages, before = await sounds(driver, 2), len(await bench.events())
    tried = await batch(driver, messages, validate_only=True)
    assert not any(one.id for one in tried)
    assert (len(await bench.events()), await driver.walk()) == (before, [])
    made = await batch(driver, messages, request_id="once")
    assert [lasting(one) for one in tried] == [lasting(one) for one in made]
    assert made == await batch(driver, messages, request_id="once")
    assert Counter(r.id for r in await driver.walk()) == Counter(one.id for one in made)


@batched
async def test_a_large_batch_takes_no_more_statements_than_a_small_one(driver: Driver, bench: Workbench) -> None:
    """But for what each message alone is about."""
    counts = []
    for messages in ((await sounds(driver, 30))[:3], (await sounds(driver, 30))[3:]):
        with counted(bench.database) as queries:
            await batch(driver, messages)
        counts.append(len([q for q in queries if "INSERT" in q or f"FROM {driver.spec.collection}" in q]))
    assert counts[0] == counts[1]


@batched
async def test_a_batch_sent_again_is_authorised_again(driver: Driver, bench: Workbench) -> None:
    """Whoever may no longer create is told nothing of what was made."""
    if driver.writer is bench.admin:
        pytest.skip("administrators may anything")
    messages = await sounds(driver, 2)
    await batch(driver, messages, request_id="once")
    with pytest.raises(NotPermitted):
        await batch(driver, messages, replace(driver.writer, role=Role.VIEWER), request_id="once")
    with pytest.raises(InvalidFields) as refused:
        await batch(driver, messages[:1], request_id="once")
    assert [v.path for v in refused.value.violations] == ["request_id"]
