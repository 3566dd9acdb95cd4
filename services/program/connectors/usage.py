"""What a connector was used for: totals by organization, month and model, kept exact by the workers."""

from uuid import UUID

from ashgrove.program.v1.connector_requests_pb2 import (
    GetConnectorUsageRequest,
    GetConnectorUsageResponse,
    ModelUsage,
)

from framework.engine import Call
from framework.resource import action
from framework.storage import Database
from services.program.resources.connector import Connector

_USAGE = """
SELECT organization_id::text, to_char(month, 'YYYY-MM') AS month, model, requests, failed_requests, estimated_requests,
       unpriced_requests, input_tokens, cached_input_tokens, output_tokens, cost_nanos
FROM connector_usage WHERE connector_id = %(connector)s AND to_char(month, 'YYYY-MM') >= %(first)s
ORDER BY month DESC, organization_id, model
"""


@action(Connector, "GetConnectorUsage")
async def usage(call: Call, request: GetConnectorUsageRequest) -> GetConnectorUsageResponse:
    """Tells what the connector was used for, whoever's work it was."""
    row = await call.row(Connector, request.id, verb="GetConnectorUsage")
    usage = await usage_of(call.database, row["id"], request.from_month)
    return GetConnectorUsageResponse(usage=usage)


async def usage_of(database: Database, connector_id: UUID, from_month: str) -> list[ModelUsage]:
    """Returns the totals of a connector from a month on, every organization's: who asks must be allowed to know."""
    async with database.system() as tx:
        rows = await tx.fetch(_USAGE, {"connector": connector_id, "first": from_month})
    return [ModelUsage(**row) for row in rows]
