"""Policies that ask what a request says and what it changes are asked when that is known, of creates and updates."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from ashgrove.access.v1 import access_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.errors import Failure, NotFound, NotPermitted
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


def creating(hint: str) -> Any:
    return message("CreateSpecimenRequest")(specimen=message("Specimen")(name="a", hint=hint))


def updating(identifier: str, *paths: str, **fields: Any) -> Any:
    one = message("Specimen")(id=identifier, **fields)
    return message("UpdateSpecimenRequest")(specimen=one, update_mask=FieldMask(paths=paths))


async def test_what_a_create_fills_and_says_is_asked(bench: Workbench) -> None:
    """A forbid above the bypass binds administrators; nothing is left of what was refused."""
    for actor in (bench.user, bench.admin):
        for hint in ("forbidden", "unspeakable"):
            with pytest.raises(NotPermitted):
                await bench.do("CreateSpecimen", creating(hint), actor)
        assert (await bench.do("CreateSpecimen", creating("welcome"), actor)).hint == "welcome"
    listed = await bench.do("ListSpecimens", message("ListSpecimensRequest")(show_total_size=True), bench.admin)
    assert listed.total_size == 2


async def test_what_an_update_changes_is_asked(bench: Workbench) -> None:
    """Whatever it names: what stays as it is is not changed; a refusal leaves the row as it was."""
    made = await bench.do("CreateSpecimen", creating("welcome"))
    with pytest.raises(NotPermitted):
        await bench.do("UpdateSpecimen", updating(made.id, "hint", "name", hint="forbidden", name="b"))
    read = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=made.id))
    assert read == made
    assert (await bench.do("UpdateSpecimen", updating(made.id, "hint", hint="unspeakable"))).hint == "unspeakable"
    async with bench.database.system() as tx:
        await tx.execute("UPDATE specimens SET hint = 'forbidden' WHERE id = %(i)s", {"i": made.id})
    renamed = await bench.do("UpdateSpecimen", updating(made.id, "hint", "name", hint="forbidden", name="b"))
    assert renamed.name == "b"


async def test_whoever_may_not_change_anything_learns_nothing_of_what_is_asked(bench: Workbench) -> None:
    """A hidden row is no row, whatever would be changed."""
    made = await bench.do("CreateSpecimen", creating("welcome"))
    told: list[type[Failure]] = []
    for hint in ("forbidden", "allowed"):
        with pytest.raises(NotFound) as refused:
            await bench.do("UpdateSpecimen", updating(made.id, "hint", hint=hint), bench.colleague)
        told.append(type(refused.value))
    assert told == [NotFound, NotFound]


async def test_what_depends_on_the_act_is_said_to(bench: Workbench) -> None:
    """Permissions count what some request could do; explanations say what depends."""
    made = await bench.do("CreateSpecimen", creating("welcome"))
    asked = access_pb2.TestPermissionsRequest(ids=[made.id], actions=["Create", "Update"])
    for actor in (bench.user, bench.admin):
        (may,) = (await bench.do("TestSpecimenPermissions", asked, actor)).permissions
        assert list(may.actions) == ["Create", "Update"]
    request = access_pb2.ExplainAccessRequest(id=made.id, action="Update")
    explained = await bench.do("ExplainSpecimenAccess", request, bench.admin)
    assert explained.outcome == access_pb2.ExplainAccessResponse.OUTCOME_DEPENDS
    (changes,) = [one for one in explained.policies if one.forbid and one.applies]
    assert changes.verdict == access_pb2.VERDICT_DEPENDS
    assert changes.check.check == "changing(hint, to=forbidden)"
