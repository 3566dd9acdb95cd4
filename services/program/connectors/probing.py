"""Checks and test calls: left for a worker, because only workers hold keys and speak to endpoints."""

from typing import Any

from ashgrove.event.v1.event_pb2 import Event
from ashgrove.program.v1 import connector_pb2
from ashgrove.program.v1 import connector_requests_pb2 as rpc
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.engine.writing import event_of
from framework.identifiers import new_id
from framework.resource import action
from services.program.resources.connector import Connector
from services.program.waking import LOOK_SECONDS, PROBES, WORK, left, topic

_LEAVE = """
INSERT INTO connector_probes (organization_id, id, connector_id, owner_id, verb, asked, request_id)
VALUES (%(organization)s, %(id)s, %(connector)s, %(owner)s, %(verb)s, %(asked)s, %(request)s)
"""
_SAID = "SELECT said FROM connector_probes WHERE organization_id = %(organization)s AND id = %(id)s"


@action(Connector, "CheckConnector")
async def check(call: Call, request: rpc.CheckConnectorRequest) -> connector_pb2.Connector:
    """Has a worker ask the endpoint, and returns the connector with what it said."""
    await _done(call, await _ask_for(call, request.id, "CheckConnector", {}))
    return await call.get(Connector, request.id)


@action(Connector, "TryConnector")
async def try_(call: Call, request: rpc.TryConnectorRequest) -> rpc.TryConnectorResponse:
    """Has a worker make one small call, and returns how it went."""
    asked = {"prompt": request.prompt or 'Say "ok".', "max_tokens": request.max_tokens or 16}
    said = await _done(call, await _ask_for(call, request.id, "TryConnector", asked))
    return rpc.TryConnectorResponse(**said)


async def _ask_for(call: Call, connector_id: str, verb: str, asked: dict[str, Any]) -> str:
    """Leaves a probe of a connector that the caller may probe, and returns the probe's id."""
    async with call.transaction() as tx:
        row = await call.row(Connector, connector_id, verb=verb, lock=True)
        identifier = new_id()
        probe = {"organization": row["organization_id"], "id": identifier, "connector": row["id"]}
        author = {"owner": call.actor.user_id, "verb": verb, "request": call.context.request_id}
        await tx.execute(_LEAVE, probe | author | {"asked": Jsonb(asked)})
        if verb == "TryConnector":
            await tx.record(_tried(call, row))
        await call.database.notify(tx, WORK, left(PROBES))
    return str(identifier)


def _tried(call: Call, row: dict[str, Any]) -> Event:
    """Returns the event of a test call: it goes out with the organization's secret, and is paid by it."""
    event = event_of(call.context, "connector.tried", "OK")
    event.resource_type, event.resource_id = "connector", str(row["id"])
    event.subject = f"connectors/{row['id']}"
    event.data.update({name: row[name] for name in ("name", "base_url", "model", "secret")})
    return event


async def _done(call: Call, identifier: str) -> dict[str, Any]:
    """Returns what a probe said; raises DeadlinePassed when the caller's time is over first."""
    names = {"organization": call.context.organization_id, "id": identifier}
    while True:
        row = await call.reads().fetch_one(_SAID, names)
        if row and row["said"] is not None:
            said: dict[str, Any] = row["said"]
            return said
        await call.engine.hints.wait(topic("probe", identifier), min(LOOK_SECONDS, call.context.remaining()))
