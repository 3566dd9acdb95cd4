"""Rows that are made together are what each would have been alone, in every kind of field, and all or none are made."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from framework.call import Actor
from framework.errors import InvalidFields, NotPermitted
from framework.identifiers import new_id
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench

_DETAIL = {
    "text": "ä\U0001f300",
    "count": 3,
    "big": str(2**62),
    "ratio": 0.1,
    "at": "2026-11-30T12:00:00.123456789Z",
    "color": "COLOR_RED",
    "inner": {"ratio": 3.0, "secret": "canary"},
}
FULL = {
    **{"name": "full", "color": "COLOR_GREEN", "small": -5, "big": str(-(2**63)), "ratio": 1e300, "flag": True},
    **{"ended_at": "2026-11-30T12:00:00.123456789Z", "detail": _DETAIL, "tags": ["b", "a"], "details": [_DETAIL, {}]},
    **{"numbers": ["1", str(2**60)], "free": {"n": 3, "x": [1.5, None, {"y": True}]}, "anything": None},
    **{"secret": "canary", "visibility": "VISIBILITY_PUBLIC", "hint": "", "weight": 0.0, "scores": {"a": 2, "b": 0.5}},
    **{"favourite_id": str(new_id()), "whisper": "w"},
}
UNBOUNDED: dict[str, Any] = {
    "name": "unbounded",
    "ratio": "Infinity",
    "weight": "-Infinity",
    "scores": {"a": "Infinity"},
}
_OWN = ("id", "created_at")


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


def specimen(data: dict[str, Any]) -> Any:
    return ParseDict(data, message("Specimen")())


async def together(bench: Workbench, messages: list[Any], actor: Actor | None = None) -> list[Any]:
    call = bench.engine.call(bench.context(actor or bench.user, "CreateSpecimen"))
    made: list[Any] = await call.create_many(Specimen, messages)
    return made


async def alone(bench: Workbench, one: Any) -> Any:
    return await bench.engine.call(bench.context(bench.user, "CreateSpecimen")).create(Specimen, one)


def lasting(one: Any) -> dict[str, Any]:
    return {f.name: getattr(one, f.name) for f in one.DESCRIPTOR.fields if f.name not in _OWN}


async def told(bench: Workbench, identifier: str) -> dict[str, Any]:
    (event,) = [e for e in await bench.events("specimen.created") if e["resource_id"] == identifier]
    data: dict[str, Any] = event["data"]
    return {name: value for name, value in data.items() if name not in _OWN}


async def stored(bench: Workbench, identifier: str) -> dict[str, Any]:
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT * FROM specimens WHERE id = %(id)s", {"id": identifier})
    assert row is not None
    return {name: value for name, value in row.items() if name not in _OWN}


async def test_each_is_what_it_would_have_been_alone(bench: Workbench) -> None:
    """The answer, the row and what its event tells, whatever is in it; neither tells what is sensitive."""
    messages = [specimen(FULL), specimen({}), specimen(UNBOUNDED)]
    made = await together(bench, messages)
    for one, given in zip(made, messages, strict=True):
        single = await alone(bench, given)
        assert lasting(one) == lasting(single)
        assert await stored(bench, one.id) == await stored(bench, single.id)
        event = await told(bench, one.id)
        assert event == await told(bench, single.id)
        assert "canary" not in str(event)


async def test_what_asks_of_the_act_refuses_all_for_one(bench: Workbench) -> None:
    """A forbid that looks at what a row is made with binds each of many, and administrators too."""
    for actor in (bench.user, bench.admin):
        with pytest.raises(NotPermitted):
            await together(bench, [specimen({"name": "a"}), specimen({"name": "b", "hint": "forbidden"})], actor)
    assert await bench.events() == []
    assert await bench.database.reads(bench.organization_id).fetch("SELECT id FROM specimens") == []


async def test_a_field_that_one_may_not_write_refuses_all_by_its_name(bench: Workbench) -> None:
    """As it refuses a single one."""
    messages = [specimen({"name": "a"}), specimen({"name": "b", "stamp": "mine"})]
    refusals = []
    for act in (together(bench, messages), alone(bench, messages[1])):
        with pytest.raises((NotPermitted, InvalidFields)) as refused:
            await act
        refusals.append((type(refused.value), str(refused.value)))
    assert refusals[0] == refusals[1]
    assert await bench.events() == []
