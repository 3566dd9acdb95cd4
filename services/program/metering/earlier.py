"""What a piece of work spent before this worker took it over, so that its budget goes on where it was."""

from collections.abc import Mapping
from typing import Any

from domain.pricing import NANOS
from framework.storage import Database

# A call that is open is another worker's, whose reservation it will cost if that one died.
_BOOKED = """
SELECT coalesce(sum(coalesce(cost_nanos, reserved_nanos)), 0)::bigint AS nanos FROM model_calls
WHERE organization_id = %(organization)s AND work_id = %(id)s AND status <> 'STATUS_FAILED'
"""


async def spent_before(database: Database, evaluation: Mapping[str, Any]) -> int:
    """Returns billionths: what the books have, or what the results say where a model without books was asked."""
    told = (evaluation["cost_micros"] + evaluation["metric_cost_micros"]) * NANOS
    async with database.system() as tx:
        row = await tx.fetch_one(_BOOKED, {"organization": evaluation["organization_id"], "id": evaluation["id"]})
    return int(max(told, row["nanos"] if row else 0))
