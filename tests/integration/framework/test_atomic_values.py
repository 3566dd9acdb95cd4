"""Values that the database computes: whoever writes at the same time, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framework.engine import Call
from framework.storage import Expression, appended, decrement, greatest, increment, least, merged
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench
from tests.tries import tries

numbers = st.integers(-1000, 1000)
texts = st.text("abc", min_size=1, max_size=2)
# Each kind of change with what it makes of a value; those of one column can be made in any order.
CHANGES: dict[str, tuple[str, Any, Any, Any]] = {
    "small": ("small", st.builds(increment, numbers), lambda old, by: old + by, 0),
    "big": ("big", st.builds(decrement, numbers), lambda old, by: old - by, 0),
    "ratio": ("ratio", st.builds(greatest, numbers.map(float)), max, 0.0),
    "weight": (
        "weight",
        st.builds(least, numbers.map(float)),
        lambda old, new: new if old is None else min(old, new),
        None,
    ),
}


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


async def created(bench: Workbench, **fields: Any) -> Any:
    """Returns a specimen."""
    return await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen={"name": "a", **fields}))


def call(bench: Workbench) -> Call:
    """Returns a call of the specimen's owner."""
    return bench.engine.call(bench.context(bench.user, "UpdateSpecimen"))


@given(st.lists(st.sampled_from(sorted(CHANGES)).flatmap(lambda n: st.tuples(st.just(n), CHANGES[n][1])), max_size=12))
@settings(max_examples=tries(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_writers_at_the_same_time_lose_nothing(bench: Workbench, changes: list[tuple[str, Expression]]) -> None:
    """What comes out is what they would make of it one after another, in any order."""
    one = await created(bench)
    await asyncio.gather(*(call(bench).update(Specimen, one.id, {CHANGES[n][0]: change}) for n, change in changes))
    row = await call(bench).row(Specimen, one.id)
    for name, (column, _, made, first) in CHANGES.items():
        expected = reduce(made, [change.value for n, change in changes if n == name], first)
        assert row[column] == expected, name
    assert row["lock_version"] == 1 + len(changes)


async def test_objects_and_lists_grow_under_many_writers(bench: Workbench) -> None:
    """Members are set one by one, items added one by one; what was there stays."""
    one = await created(bench, tags=["first"])
    await asyncio.gather(
        *(
            call(bench).update(Specimen, one.id, {"scores": merged({f"m{n}": n}), "tags": appended(f"t{n}")})
            for n in range(8)
        )
    )
    after = await call(bench).get(Specimen, one.id)
    assert dict(after.scores) == {f"m{n}": n for n in range(8)}
    assert after.tags[0] == "first" and sorted(after.tags[1:]) == sorted(f"t{n}" for n in range(8))


async def test_what_is_computed_is_told_as_it_came_out(bench: Workbench) -> None:
    """The event holds the new value, and names the field."""
    one = await created(bench)
    await call(bench).update(Specimen, one.id, {"small": increment(3)})
    (event,) = await bench.events("specimen.updated")
    assert event["data"]["small"] == 3 and event["changed_paths"] == ["small"]


async def test_a_value_is_a_parameter_whatever_it_holds(bench: Workbench) -> None:
    """Nothing of it is SQL."""
    one = await created(bench)
    wicked = "'}'); DROP TABLE specimens; -- {old} %(id_)s"
    await call(bench).update(Specimen, one.id, {"scores": merged({wicked: 1.0})})
    assert dict((await call(bench).get(Specimen, one.id)).scores) == {wicked: 1.0}
