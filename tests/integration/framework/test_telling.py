"""What is told of calls that write nothing: refusals with what was named, and exports; whoever calls."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.resource.v1.export_pb2 import ExportRequest

from framework.call import service_actor
from framework.errors import Failure, NotPermitted
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


async def denied(bench: Workbench, actor: Any, rpc: str, **asked: Any) -> dict[str, Any]:
    """Returns the only event of a refusal."""
    method = next(m for m in bench.registry.methods.values() if m.name == rpc)
    with pytest.raises(NotPermitted):
        await bench.do(rpc, method.request_class(**asked), actor)
    (event,) = [e for e in await bench.events("specimen.denied") if e["actor"]["id"] == actor.id]
    return event


async def test_a_refusal_names_its_resource_and_who_stood_behind_it(bench: Workbench) -> None:
    """A key, and the service that acted for its user."""
    made = await bench.do(
        "CreateSpecimen", message("CreateSpecimenRequest")(specimen={"name": "mine", "visibility": 2})
    )
    actor = replace(bench.colleague, credential_id="key-1", delegate="optimizer", label="ann@example.com")
    event = await denied(bench, actor, "UpdateSpecimen", specimen={"id": made.id, "name": "taken"})
    assert (event["outcome"], event["resource_id"], event["subject"]) == (
        "PERMISSION_DENIED",
        made.id,
        f"specimens/{made.id}",
    )
    assert event["actor"] == {
        "kind": "KIND_USER",
        "id": actor.id,
        "credential_id": "key-1",
        "delegate": "optimizer",
        "label": "ann@example.com",
    }


async def test_a_refusal_of_the_bounds_of_a_key_is_told(bench: Workbench) -> None:
    """Before anything was looked up; what is no id is not told as one."""
    bounded = replace(bench.user, actions=frozenset({"ListSpecimens"}))
    event = await denied(bench, bounded, "GetSpecimen", id="no id at all")
    assert "resource_id" not in event and event["action"] == "GetSpecimen"


async def test_a_refused_service_is_told(bench: Workbench) -> None:
    """A service that asks for what is not its own is worth knowing."""
    service = service_actor("optimizer", bench.organization_id)
    event = await denied(bench, service, "ExplainSpecimenAccess", action="Get")
    assert event["actor"] == {"kind": "KIND_SERVICE", "id": "optimizer"}


async def test_an_export_is_told_once_with_what_was_asked(bench: Workbench) -> None:
    """However many rows it brings; one that asks for nonsense brings nothing, and is not told."""
    for name in ("a", "b"):
        await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen={"name": name}))
    asked = ExportRequest(filter='name != "c"', order_by="name")
    frames = [frame async for frame in bench.frames("ExportSpecimens", asked)]
    (event,) = await bench.events("specimen.exported")
    assert len(frames) == 3 and event["actor"]["id"] == bench.user.id
    assert event["data"] == {"filter": 'name != "c"', "order_by": "name", "read_mask": [], "resumed": False}
    with pytest.raises(Failure):
        [frame async for frame in bench.frames("ExportSpecimens", ExportRequest(order_by="nonsense"))]
    assert len(await bench.events("specimen.exported")) == 1


async def test_an_update_tells_what_changed_from_what_to_what_and_nothing_secret(bench: Workbench) -> None:
    """X-91: in the write's own transaction; what is sensitive or very large is left out on both sides."""
    large, small = "x" * 9000, "y" * 10
    told = {"name": "old", "secret": "canary", "hint": large}
    made = await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen=told))
    made.name, made.secret, made.hint = "new", "another canary", small
    await bench.do("UpdateSpecimen", message("UpdateSpecimenRequest")(specimen=made))
    (event,) = await bench.events("specimen.updated")
    assert {"name", "hint"} <= set(event["changed_paths"])
    assert event["before"] == {"name": "old"} and event["data"]["name"] == "new" and event["data"]["hint"] == small
    assert "canary" not in str(await bench.events())
