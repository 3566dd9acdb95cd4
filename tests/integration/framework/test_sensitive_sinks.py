"""A sensitive field is in its resource's own row and answers, and nowhere else: every sink is grepped for canaries."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from ashgrove.access.v1 import access_pb2
from ashgrove.resource.v1 import aggregate_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.rpc.logs import JsonLines
from framework.telemetry import Span, span
from framework.testing.canaries import plant, tables_of
from framework.testing.refusals import Refused
from framework.testing.serving import Served, served
from framework.testing.spans import recorded
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench

CANARY = "canary-90817"


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that this process logs, as services write it."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def planted(**more: Any) -> Any:
    return plant(message("Specimen")(visibility="VISIBILITY_PUBLIC", **more), CANARY)


async def refused(service: Served, actor: Any, rpc: str, request: Any) -> str:
    """Returns all that a refusal says."""
    try:
        await service.as_actor(actor).do(rpc, request)
    except Refused as refusal:
        return repr(refusal.__dict__) + str(refusal)
    raise AssertionError(f"{rpc} was not refused")


async def test_sensitive_values_rest_in_their_row_and_nowhere_else(bench: Workbench, log: io.StringIO) -> None:
    """Creates, updates, replays, refusals, events, explanations, page tokens, logs and spans tell nothing of them."""
    with recorded() as spans:
        await _told(bench, log, spans)


async def _told(bench: Workbench, log: io.StringIO, spans: list[Span]) -> None:
    async with served(bench) as service:
        admin = service.as_actor(bench.admin)
        creating = message("CreateSpecimenRequest")(specimen=planted(name="a"), request_id="once")
        made = await admin.do("CreateSpecimen", creating)
        assert made.secret == made.detail.secret == CANARY
        other = await admin.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen=planted(name="b")))
        mask = FieldMask(paths=["secret", "detail", "details", "name"])
        changed = planted(id=made.id, name="c")
        changed.details.add(secret=f"{CANARY}-2")
        await admin.do("UpdateSpecimen", message("UpdateSpecimenRequest")(specimen=changed, update_mask=mask))
        told = [await refused(service, *asked) for asked in _refusals(bench, creating, made)]
        page = await admin.do("ListSpecimens", message("ListSpecimensRequest")(page_size=1, order_by="name"))
        explained = await admin.do(
            "ExplainSpecimenAccess", access_pb2.ExplainAccessRequest(id=other.id, action="Update")
        )
        tested = await admin.do("TestSpecimenPermissions", access_pb2.TestPermissionsRequest(ids=[made.id]))
    events = await bench.events()
    assert len(events) >= 3
    tables = await tables_of(bench.database, "specimens")
    assert {"outbox", "feed", "replays"} <= tables.keys()
    sinks = {"log": log.getvalue(), "token": page.next_page_token, "events": str(events), **tables}
    sinks |= {f"refusal {i}": text for i, text in enumerate(told)}
    sinks |= {"explained": str(explained), "tested": str(tested)}
    sinks["spans"] = str([(span.name, span.attributes) for span in spans])
    assert {"prepare", "transaction", "ashgrove.specimen.v1.SpecimenService/CreateSpecimen"} <= {s.name for s in spans}
    for name, text in sinks.items():
        assert CANARY not in text, name
    assert '"level": "ERROR"' in sinks["log"], "the handler that burst was logged"


def _refusals(bench: Workbench, creating: Any, made: Any) -> list[tuple[Any, str, Any]]:
    """Returns calls that are refused, each with canaries in it."""
    named = message("UpdateSpecimenRequest")(specimen=planted(id=made.id, name="x"))
    missing = message("UpdateSpecimenRequest")(specimen=planted(id=str(uuid4()), name="x"))
    unknown = message("UpdateSpecimenRequest")(specimen=planted(id=made.id), update_mask=FieldMask(paths=["nothing"]))
    spoilt = message("CreateSpecimenRequest")(specimen=plant(message("Specimen")(name="\0"), f"{CANARY}\0"))
    bursting = message("CreateSpecimenRequest")(specimen=planted(name="burst"))
    filters = [f'secret = "{CANARY}"', f'detail.secret:"{CANARY}"']
    lists = [message("ListSpecimensRequest")(filter=text) for text in filters]
    lists += [message("ListSpecimensRequest")(order_by=path) for path in ("secret", "detail.secret")]
    measures = ["count(secret)", "max(secret)", "count_distinct(secret)"]
    groups = [aggregate_pb2.AggregateRequest(measures=["count()"], group_by=["secret"])]
    groups += [aggregate_pb2.AggregateRequest(measures=[one]) for one in measures]
    return [
        (bench.admin, "CreateSpecimen", creating),
        (bench.admin, "UpdateSpecimen", missing),
        (bench.admin, "UpdateSpecimen", unknown),
        (bench.colleague, "UpdateSpecimen", named),
        (bench.admin, "CreateSpecimen", spoilt),
        (bench.admin, "CreateSpecimen", bursting),
        *((bench.admin, "ListSpecimens", one) for one in lists),
        *((bench.admin, "AggregateSpecimens", one) for one in groups),
    ]


@pytest.fixture(autouse=True)
def bursting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource whose code fails with the very value in its message, as code that reads secrets may."""

    async def prepare(self: Any, call: Any, new: Any, old: Any) -> None:
        with span("prepare", {"said": new.secret, "name": new.name}):
            if new.name == "burst":
                raise ValueError(f"cannot read {new.secret}")

    monkeypatch.setattr(Specimen, "prepare", prepare)
