"""Deletes executions, with what is a part of them, and model calls that are older than the operator keeps them."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from framework.storage import Database
from services.program.retention.batches import BATCH, FIRST, Counts, batch, id_at, tell

DELETED = {"executions": "executions.deleted", "model_calls": "model_calls.deleted"}
_OVER = {
    "executions": "status NOT IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING')",
    "model_calls": "status <> 'STATUS_RESERVED'",
}
"""Which rows nobody works on any more."""
# From organization to organization by the key, without reading what lies between.
_NEXT = """
SELECT organization_id, clock_timestamp() AS now FROM {table}
WHERE organization_id > %(after)s ORDER BY organization_id LIMIT 1
"""
_DELETE = """
WITH gone AS (
    DELETE FROM {table} WHERE (organization_id, id) IN (
        SELECT organization_id, id FROM {table}
        WHERE organization_id = %(organization)s AND id < %(before)s AND {over} ORDER BY id LIMIT %(limit)s)
    RETURNING id)
SELECT count(*) AS gone, (SELECT id FROM gone ORDER BY id DESC LIMIT 1) AS last FROM gone
"""


async def delete_old(database: Database, keep_days: Mapping[str, int]) -> Counts:
    """Deletes what is older than so many days, by table, 0 for never; raises Busy while another process is at it."""
    counts = Counts()
    for table, days in keep_days.items():
        if days:
            counts["deleted", table] += await _delete(database, table, days)
    return +counts


async def _delete(database: Database, table: str, days: int) -> int:
    total, organization = 0, FIRST
    while True:
        async with database.system() as tx:
            row = await tx.fetch_one(_NEXT.format(table=table), {"after": organization})
        if row is None:
            return total
        organization = row["organization_id"]
        total += await _delete_of(database, table, organization, id_at(row["now"] - timedelta(days=days)))


async def _delete_of(database: Database, table: str, organization: UUID, before: UUID) -> int:
    total, gone = 0, BATCH
    statement = _DELETE.format(table=table, over=_OVER[table])
    while gone == BATCH:
        async with batch(database) as tx:
            done = await tx.fetch_one(statement, {"organization": organization, "before": before, "limit": BATCH})
            assert done is not None
            gone = done["gone"]
            if gone:
                told = {"count": gone, "through_id": str(done["last"])}
                await tell(tx, organization, DELETED[table], told, table.removesuffix("s"))
        total += gone
    return total
