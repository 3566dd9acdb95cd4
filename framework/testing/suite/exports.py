"""An export is the list, whole and in its order, over every declared resource that has one."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import ANONYMOUS, Actor
from framework.errors import InvalidFields, Unauthenticated
from framework.testing.contract import Driver
from framework.testing.suite.choosing import over
from framework.testing.workbench import Workbench

exportable = over("Export")


async def exported(driver: Driver, actor: Actor | None = None, **fields: Any) -> list[tuple[Any, str]]:
    """Returns every row of an export with the token that goes on after it; fails unless it ends as it should."""
    method = driver.method("Export")
    assert method is not None
    request = method.request_class(**fields)
    frames = [frame async for frame in driver.bench.frames(method.name, request, actor or driver.writer)]
    assert frames.pop().WhichOneof("frame") == "end"
    rows = []
    for frame in frames:
        row = driver.spec.message()
        assert frame.item.resource.Unpack(row)
        rows.append((row, frame.item.resume_token))
    return rows


@exportable
async def test_an_export_is_the_list_whoever_asks(driver: Driver, bench: Workbench) -> None:
    """The same rows in the same order, for everybody, whatever is filtered, ordered and masked."""
    made = [await driver.create(await driver.sound(n)) for n in range(4)]
    if driver.method("Archive"):
        await driver.call("Archive", id=made[0].id)
    asked: list[dict[str, Any]] = [
        {},
        {"order_by": "created_at"},
        {"filter": f"NOT id = {made[1].id}", "order_by": "id desc"},
        {"read_mask": FieldMask(paths=["id"])},
    ]
    asked += [{"show_archived": True}] if driver.spec.archivable else []
    for actor in (bench.admin, bench.user, bench.colleague, bench.viewer, bench.elsewhere().admin):
        for fields in asked:
            listed = await driver.walk(actor=actor, page_size=2, **fields)
            assert [row for row, _ in await exported(driver, actor, **fields)] == listed
    with pytest.raises(Unauthenticated):
        await exported(driver, ANONYMOUS)


@exportable
async def test_an_export_goes_on_after_any_row(driver: Driver) -> None:
    """Nothing is lost and nothing comes twice."""
    for n in range(4):
        await driver.create(await driver.sound(n))
    whole = await exported(driver, order_by="created_at")
    for at, (_, token) in enumerate(whole):
        rest = await exported(driver, order_by="created_at", resume_token=token)
        assert [row for row, _ in rest] == [row for row, _ in whole[at + 1 :]]


@exportable
async def test_a_resume_token_is_for_one_export_of_one_caller(driver: Driver, bench: Workbench) -> None:
    """Another filter, order, caller or organization, an edited one and a page's: all are refused at the field."""
    for n in range(2):
        await driver.create(await driver.sound(n))
    token = (await exported(driver))[0][1]
    page = (await driver.call("List", page_size=1)).next_page_token
    edited = token[:-3] + ("A" if token[-3] != "A" else "B") + token[-2:]
    wrong: list[tuple[Actor | None, dict[str, Any]]] = [
        (None, {"resume_token": token, "order_by": "created_at"}),
        (None, {"resume_token": token, "filter": "created_at > ago(1h)"}),
        (bench.viewer, {"resume_token": token}),
        (bench.elsewhere().admin, {"resume_token": token}),
        (None, {"resume_token": edited}),
        (None, {"resume_token": page}),
    ]
    for actor, fields in wrong:
        with pytest.raises(InvalidFields) as refused:
            await exported(driver, actor, **fields)
        assert [v.path for v in refused.value.violations] == ["resume_token"]
