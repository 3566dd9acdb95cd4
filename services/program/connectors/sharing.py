"""Sharing a connector of the platform: a row in the other organization, with the operator as its author."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import connector_pb2
from ashgrove.program.v1.connector_requests_pb2 import ShareConnectorRequest, UnshareConnectorRequest
from google.protobuf.json_format import MessageToDict
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.resource import action
from services.program.resources.connector import Connector, ConnectorShare


@action(Connector, "ShareConnector")
async def share(call: Call, request: ShareConnectorRequest) -> connector_pb2.ConnectorShare:
    """Lets an organization use the connector, or changes its terms."""
    async with call.transaction():
        connector = await call.row(Connector, request.id, verb="ShareConnector", lock=True)
    _refuse_unkept(connector, request)
    terms = {
        "name": connector["name"],
        "model": connector["model"],
        "limits": Jsonb(MessageToDict(request.limits, preserving_proto_field_name=True)),
        "weight": request.weight or 1,
        "status": "STATUS_ACTIVE",
    }
    there = _inside(call, request.organization_id)
    async with there.transaction():
        known = await _known(there, connector["id"])
        if known:
            return await there.update(ConnectorShare, known, terms, verb="Update")
        hidden = {"connector_id": connector["id"], "lender_id": connector["organization_id"], **terms}
        return await there.create(ConnectorShare, connector_pb2.ConnectorShare(), hidden=hidden)


@action(Connector, "UnshareConnector")
async def unshare(call: Call, request: UnshareConnectorRequest) -> connector_pb2.ConnectorShare:
    """Takes the connector back from an organization; raises NotFound when that never had it."""
    connector = await call.row(Connector, request.id, verb="UnshareConnector")
    there = _inside(call, request.organization_id)
    async with there.transaction():
        known = await _known(there, connector["id"])
        if not known:
            raise NotFound("connector_share", request.organization_id)
        return await there.update(ConnectorShare, known, {"status": "STATUS_WITHDRAWN"}, verb="Update")


def _refuse_unkept(connector: dict[str, Any], request: ShareConnectorRequest) -> None:
    prices = connector["prices"] or []
    whole = any("input_micros" in price and "output_micros" in price for price in prices)
    if request.limits.HasField("spend_micros_per_month") and not whole:
        fault = "a limit of spending takes a price for input and output; give the connector one"
        raise InvalidFields(FieldViolation("limits.spend_micros_per_month", fault))
    if UUID(request.organization_id) == connector["organization_id"]:
        raise InvalidFields(FieldViolation("organization_id", "is the connector's own; it needs no share"))


def _inside(call: Call, organization_id: str) -> Call:
    """Returns the operator's call inside another organization: its rows are walled, its author is told truly."""
    actor = replace(call.actor, organization_id=UUID(organization_id))
    return call.engine.call(replace(call.context, actor=actor))


async def _known(there: Call, connector_id: UUID) -> str:
    async with there.transaction() as tx:
        row = await tx.fetch_one(
            """SELECT id FROM connector_shares
               WHERE organization_id = %(organization)s AND connector_id = %(connector)s FOR UPDATE""",
            {"organization": there.context.organization_id, "connector": connector_id},
        )
    return str(row["id"]) if row else ""
