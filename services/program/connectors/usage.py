"""What a connector was used for: totals by organization, month and model, kept exact by the workers."""

from uuid import UUID

from ashgrove.program.v1.connector_requests_pb2 import ModelUsage

from framework.storage import Database

_USAGE = """
SELECT organization_id::text, to_char(month, 'YYYY-MM') AS month, model, requests, failed_requests, estimated_requests,
       unpriced_requests, input_tokens, cached_input_tokens, output_tokens, cost_nanos
FROM connector_usage WHERE connector_id = %(connector)s AND to_char(month, 'YYYY-MM') >= %(first)s
ORDER BY month DESC, organization_id, model
"""


async def usage_of(database: Database, connector_id: UUID, from_month: str) -> list[ModelUsage]:
    """Returns the totals of a connector from a month on, every organization's: who asks must be allowed to know."""
    async with database.system() as tx:
        rows = await tx.fetch(_USAGE, {"connector": connector_id, "first": from_month})
    return [ModelUsage(**row) for row in rows]
