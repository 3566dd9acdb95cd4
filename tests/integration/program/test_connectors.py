"""Connectors: programs run through them over real HTTP, they are shared, checked and tried, and no secret is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import connector_pb2, execution_pb2
from ashgrove.program.v1 import connector_requests_pb2 as rpc
from ashgrove.resource.v1.requests_pb2 import GetRequest, ListRequest
from google.protobuf.json_format import MessageToDict

from framework.errors import InvalidFields, NotPermitted
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.connectors import probe_work
from services.program.working import Workshop
from tests.integration.program.connecting import SECRET, SV, connected, connector, create_connector, execute
from tests.integration.program.making import create_program, working
from tests.models import ModelServer, Reply, Say, Stall


@pytest.fixture
async def connecting(bench: Workbench, workshop: Workshop, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop with a worker that asks connectors."""
    async with connected(bench, workshop, tmp_path) as made, working(made):
        yield made


def request_of(bench: Workbench, rpc_name: str, identifier: str) -> Any:
    """Returns a request that names a connector."""
    return bench.registry.method(rpc_name).request_class(id=identifier)


async def calls(bench: Workbench, workshop: Workshop) -> list[connector_pb2.ModelCall]:
    """Returns what the books say, oldest first."""
    assert workshop.desk is not None
    await workshop.desk.gate.books.written()
    answer = await bench.do("ListModelCalls", ListRequest(order_by="created_at"), bench.admin)
    return list(answer.model_calls)


async def test_a_program_runs_through_its_connector_and_is_charged(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """The key travels to the endpoint and nowhere else; tokens, cached ones apart, are priced and add up."""
    models.otherwise = Say(
        SV, usage={"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 40}}
    )
    made = await create_connector(bench, connector(models, headers={"x-team": "a"}))
    done = await execute(bench, await create_program(bench), model="fast", max_tokens=9)
    assert done.outputs["language"] == "sv" and done.cost_micros == 60 + 20 + 28 and not done.cost_incomplete
    asked = models.requests[0]
    assert asked["_headers"]["authorization"] == f"Bearer {SECRET}" and asked["_headers"]["x-team"] == "a"
    assert (asked["model"], asked["max_tokens"]) == ("m1", 9)
    (call,) = await calls(bench, connecting)
    assert (call.connector_id, call.work_id, call.owner_id) == (made.id, done.id, bench.user.id)
    assert (call.input_tokens, call.cached_input_tokens, call.output_tokens) == (100, 40, 7)
    assert call.cost_nanos == 108_000 <= call.reserved_nanos and not call.estimated
    usage = (await bench.do("GetConnectorUsage", rpc.GetConnectorUsageRequest(id=made.id), bench.admin)).usage
    assert [(u.requests, u.cost_nanos, u.organization_id) for u in usage] == [(1, 108_000, str(bench.organization_id))]
    told = [made, done, call, await bench.do("GetConnector", GetRequest(id=made.id))]
    everything = json.dumps([MessageToDict(m) for m in told] + await bench.events(), default=str)
    assert SECRET not in everything and "secret://models/key" in everything


async def test_a_connector_that_could_not_be_called_is_refused_when_it_is_written(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """The metadata service, private addresses, other people's secrets, credentials in the open: by field."""
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("connector.base_url", {"base_url": "http://169.254.169.254/latest"}),
        ("connector.base_url", {"base_url": "https://metadata.google.internal/computeMetadata/v1"}),
        ("connector.base_url", {"base_url": f"{models.url}?key=sk-1"}),
        ("connector.provider", {"provider": "bedrock"}),
        ("connector.secret", {"secret": "secret://others/key"}),
        ("connector.headers[x-api-key]", {"headers": {"x-api-key": "sk-1"}}),
        ("connector.headers[Authorization]", {"headers": {"Authorization": "Bearer x"}}),
        ("connector.headers[expect]", {"headers": {"expect": "100-continue"}}),
    ]
    for path, fields in wrong:
        made = connector(models)
        for name, value in fields.items():
            if name == "headers":
                made.headers.update(value)
            else:
                setattr(made, name, value)
        with pytest.raises(InvalidFields) as refused:
            await create_connector(bench, made)
        assert {v.path for v in refused.value.violations} == {path}
    limited = connector_pb2.Connector(name="x", provider="openai", base_url=models.url, model="m")
    limited.limits.spend_micros_per_month = 5
    with pytest.raises(InvalidFields, match="price"):
        await create_connector(bench, limited)
    with pytest.raises(NotPermitted):
        await bench.do("CreateConnector", rpc.CreateConnectorRequest(connector=connector(models)))


async def test_a_connector_of_the_platform_is_used_by_those_to_whom_it_is_shared(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """With the key of the operator, in their own books, until it is taken back; only the operator shares."""
    models.otherwise = Say(SV)
    made = await create_connector(bench, connector(models, "shared-model"))
    guest = replace(bench.admin, guest=True)
    for act in ("TryConnector", "CheckConnector", "ArchiveConnector"):
        with pytest.raises(NotPermitted):
            await bench.do(act, request_of(bench, act, made.id), guest)
    with pytest.raises(NotPermitted):
        await create_connector(bench, connector(models, "another"), guest)
    other = bench.elsewhere()
    program = await create_program(other)
    assert (await execute(other, program, model="shared-model")).error_class == execution_pb2.ERROR_CLASS_MODEL_REFUSED
    request = rpc.ShareConnectorRequest(id=made.id, organization_id=str(other.organization_id), weight=2)
    request.limits.requests_per_minute = 100
    with pytest.raises(NotPermitted):
        await bench.do("ShareConnector", request, bench.admin)
    operator = replace(bench.admin, operator=True)
    shared = await bench.do("ShareConnector", request, operator)
    (seen,) = (await other.do("ListConnectorShares", ListRequest())).connector_shares
    assert seen == shared and (seen.name, seen.weight) == ("shared-model", 2)
    assert not (await other.do("ListConnectors", ListRequest())).connectors
    assert connecting.desk is not None
    connecting.desk.directory.forget()
    assert (await execute(other, program, model="shared-model")).outputs["language"] == "sv"
    assert models.requests[-1]["_headers"]["authorization"] == f"Bearer {SECRET}"
    assert len(await calls(other, connecting)) == 1 and not await calls(bench, connecting)
    usage = (await bench.do("GetConnectorUsage", rpc.GetConnectorUsageRequest(id=made.id), bench.admin)).usage
    assert [u.organization_id for u in usage] == [str(other.organization_id)]
    back = rpc.UnshareConnectorRequest(id=made.id, organization_id=str(other.organization_id))
    assert (await bench.do("UnshareConnector", back, operator)).status == connector_pb2.ConnectorShare.STATUS_WITHDRAWN
    connecting.desk.directory.forget()
    assert (await execute(other, program, model="shared-model")).error_class == execution_pb2.ERROR_CLASS_MODEL_REFUSED


async def test_a_connector_is_checked_and_tried(bench: Workbench, connecting: Workshop, models: ModelServer) -> None:
    """A check tells how it stands and costs nothing; a test call is metered; a refused key is told as such."""
    made = await create_connector(bench, connector(models))
    models.script = [Reply(200, "{}"), Say("hello"), Reply(401), Reply(401)]
    health = (await bench.do("CheckConnector", rpc.CheckConnectorRequest(id=made.id), bench.admin)).health
    assert health.state == connector_pb2.ConnectorHealth.STATE_HEALTHY and health.HasField("checked_at")
    tried = await bench.do("TryConnector", rpc.TryConnectorRequest(id=made.id, prompt="hi"), bench.admin)
    assert (tried.answered, tried.text, tried.cost_nanos) == (True, "hello", 39_000)
    refused = await bench.do("TryConnector", rpc.TryConnectorRequest(id=made.id), bench.admin)
    tries = await bench.events("connector.tried")
    assert [event["data"]["secret"] for event in tries] == ["secret://models/key"] * 2
    assert {event["resource_id"] for event in tries} == {made.id}
    assert not refused.answered and refused.error_class == "AUTH" and SECRET not in str(refused)
    health = (await bench.do("CheckConnector", rpc.CheckConnectorRequest(id=made.id), bench.admin)).health
    assert health.state == connector_pb2.ConnectorHealth.STATE_FAILING and "key" in health.error
    assert [(c.purpose, c.status) for c in await calls(bench, connecting)] == [
        (connector_pb2.ModelCall.PURPOSE_TEST, connector_pb2.ModelCall.STATUS_SETTLED),
        (connector_pb2.ModelCall.PURPOSE_TEST, connector_pb2.ModelCall.STATUS_FAILED),
    ]


async def lease(bench: Workbench) -> Any:
    """Returns how the only probe that is not done is held."""
    async with bench.database.system() as tx:
        return await tx.fetch_one("SELECT lease_until, fencing_token FROM connector_probes WHERE said IS NULL", {})


async def test_a_probe_is_its_workers_own_while_the_model_thinks(
    bench: Workbench, connecting: Workshop, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long: another worker that took it meanwhile would ask, and pay, again."""
    monkeypatch.setattr(probe_work, "RENEW_SECONDS", 0.05)
    made = await create_connector(bench, connector(models))
    models.otherwise = Stall()
    trying = asyncio.create_task(bench.do("TryConnector", rpc.TryConnectorRequest(id=made.id), bench.admin))
    await models.arrived.wait()
    first = await lease(bench)

    async def renewed() -> bool:
        now = await lease(bench)
        return bool(now["lease_until"] > first["lease_until"]) and now["fencing_token"] == first["fencing_token"]

    await until(renewed)
    trying.cancel()
    with suppress(asyncio.CancelledError):
        await trying


async def test_a_probe_ends_whatever_happens(
    bench: Workbench, connecting: Workshop, models: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint that says nothing is failing; a fault of ours is told as one, and not tried again."""
    monkeypatch.setattr(probe_work, "_SECONDS", 0.3)
    monkeypatch.setattr(probe_work, "_ANSWER_SECONDS", 0.1)
    made = await create_connector(bench, connector(models))
    models.otherwise = Stall()
    late = await bench.do("TryConnector", rpc.TryConnectorRequest(id=made.id), bench.admin)
    assert (late.answered, late.error_class) == (False, "TIMEOUT")
    health = (await bench.do("CheckConnector", rpc.CheckConnectorRequest(id=made.id), bench.admin)).health
    assert health.state == connector_pb2.ConnectorHealth.STATE_FAILING and "within 300 ms" in health.error

    async def broken(*_: Any) -> Any:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(probe_work, "_tried", broken)
    monkeypatch.setattr(probe_work, "_SECONDS", 60.0)
    tried = await bench.do("TryConnector", rpc.TryConnectorRequest(id=made.id), bench.admin)
    assert (tried.answered, tried.error_class) == (False, "INTERNAL") and "nobody" not in tried.error


async def test_what_fails_is_tried_again_and_every_try_is_in_the_books(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """Refusals for load cost nothing; answers that cannot be read are bounded, and each is paid."""
    program = await create_program(bench)
    await create_connector(bench, connector(models))
    models.script = [Reply(429), Reply(500), Say("no shape"), Say(SV)]
    done = await execute(bench, program, model="fast", parse_attempts=2)
    assert done.outputs["language"] == "sv" and (done.input_tokens, done.cost_micros) == (22, 78)
    models.otherwise = Say("no shape")
    done = await execute(bench, program, model="fast", parse_attempts=3)
    assert done.error_class == execution_pb2.ERROR_CLASS_PARSE and done.cost_micros == 3 * 39
    purposes = [connector_pb2.ModelCall.Purpose.Name(c.purpose)[8:] for c in await calls(bench, connecting)]
    assert purposes == ["PROGRAM", "RETRY", "RETRY", "RETRY", "PROGRAM", "RETRY", "RETRY"]


async def test_a_model_that_hangs_is_left_and_what_it_may_cost_is_booked(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """Within the program's time; nobody knows what it took, so it is what was set aside, and marked."""
    await create_connector(bench, connector(models))
    models.otherwise = Stall()
    done = await execute(bench, await create_program(bench), model="fast", timeout_ms=50)
    assert done.error_class == execution_pb2.ERROR_CLASS_TIMEOUT and done.cost_micros > 0
    assert {(c.estimated, c.error_class) for c in await calls(bench, connecting)} == {(True, "TIMEOUT")}
