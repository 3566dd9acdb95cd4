"""Keeps this worker's lease on what it reserved and holds, and settles what dead workers left behind."""

import asyncio
import logging
from collections import defaultdict
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.storage import Database, Transaction
from services.program.connectors.endpoint import EVERYBODY

_log = logging.getLogger(__name__)
LEASE_SECONDS = 15.0
SWEPT = Failpoint("worker.swept", "what a dead worker left is settled in a transaction that is not committed")
RENEW_SECONDS = 3.0
_RENEW = """
INSERT INTO model_workers (worker, lease_until)
VALUES (%(worker)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (worker) DO UPDATE SET lease_until = excluded.lease_until
RETURNING xmax = 0 AS new
"""
_DEAD = """
DELETE FROM model_workers WHERE worker IN (
    SELECT worker FROM model_workers WHERE lease_until < clock_timestamp() OR worker = %(leaving)s
    FOR UPDATE SKIP LOCKED)
RETURNING worker
"""
_ORPHANS = """
UPDATE model_calls SET status = 'STATUS_SETTLED', estimated = true, cost_nanos = reserved_nanos,
    input_tokens = (expected->>'input')::bigint, output_tokens = (expected->>'output')::bigint,
    settled_at = clock_timestamp(), error_class = 'INTERNAL'
WHERE worker = ANY(%(workers)s) AND status = 'STATUS_RESERVED'
RETURNING organization_id, connector_id, model, worker, cost_nanos, input_tokens, output_tokens,
    expected->>'month' AS month
"""
_COUNT = """
INSERT INTO connector_usage AS u (connector_id, organization_id, month, model, requests, estimated_requests,
    unpriced_requests, input_tokens, output_tokens, cost_nanos)
SELECT connector_id, organization_id, month, model, count(*), count(*), count(*) FILTER (WHERE cost_nanos IS NULL),
    sum(input_tokens), sum(output_tokens), coalesce(sum(cost_nanos), 0)
FROM jsonb_to_recordset(%(rows)s) AS r (connector_id uuid, organization_id uuid, month date, model text,
    input_tokens bigint, output_tokens bigint, cost_nanos bigint)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (connector_id, organization_id, month, model) DO UPDATE SET
    requests = u.requests + excluded.requests, estimated_requests = u.estimated_requests + excluded.estimated_requests,
    unpriced_requests = u.unpriced_requests + excluded.unpriced_requests,
    input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
    cost_nanos = u.cost_nanos + excluded.cost_nanos
"""
_HOLDINGS = "DELETE FROM model_allotments WHERE worker = ANY(%(workers)s) RETURNING *"
_RETURN = """
UPDATE model_allowances SET drawn = drawn - %(amount)s
WHERE connector_id = %(connector_id)s AND organization_id = %(organization_id)s AND unit = %(unit)s
  AND window_start = %(window_start)s
"""


async def renew(database: Database, worker: str) -> bool:
    """Renews a worker's lease; returns False when it had been given up, so that it must forget what it holds."""
    async with database.system() as tx:
        row = await tx.fetch_one(_RENEW, {"worker": worker, "seconds": LEASE_SECONDS})
    return row is not None and not row["new"]


async def sweep(database: Database, leaving: str = "") -> int:
    """Settles the open calls of dead workers at their reservations and returns what they held; says how many calls.

    `leaving` is one that stops in good order, and is treated alike.
    """
    async with database.system() as tx:
        dead = {row["worker"] for row in await tx.fetch(_DEAD, {"leaving": leaving})}
        # A renewal that was cancelled a moment ago may still hold the row of the one that leaves.
        workers = sorted(dead | ({leaving} if leaving else set()))
        if not workers:
            return 0
        orphans = await tx.fetch(_ORPHANS, {"workers": workers})
        if orphans:
            await tx.execute(_COUNT, {"rows": Jsonb([_plain(row) for row in orphans])})
        await _return(tx, workers, orphans)
        SWEPT()
    return len(orphans)


async def _return(tx: Transaction, workers: list[str], orphans: list[dict[str, Any]]) -> None:
    """Returns what was held, less what the orphans cost."""
    spent: dict[tuple[str, UUID, UUID], int] = defaultdict(int)
    for row in orphans:
        for whose in (EVERYBODY, row["organization_id"]):
            spent[row["worker"], row["connector_id"], whose] += row["cost_nanos"] or 0
    # Every worker that leaves locks limits in this order: two that left at once could each have what the other wants.
    for held in sorted(await tx.fetch(_HOLDINGS, {"workers": workers}), key=_limit):
        owed = 0
        if held["unit"] == "money":
            # Of several months' holdings one pays; they are of the same worker and limit.
            owed = spent.pop((held["worker"], held["connector_id"], held["organization_id"]), 0)
        await tx.execute(_RETURN, {**held, "amount": held["amount"] - owed})


def _limit(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("connector_id", "organization_id", "unit", "window_start", "id"))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


async def keep(database: Database, worker: str, lost: Any) -> None:
    """Renews and sweeps until cancelled; `lost` is called when this worker was thought dead meanwhile."""
    first = True
    while True:
        try:
            if not await renew(database, worker) and not first:
                lost()
            first = False
            await sweep(database)
        except Failure as failure:
            _log.warning("the lease of model calls: %s; trying again", failure)
        await asyncio.sleep(RENEW_SECONDS)
