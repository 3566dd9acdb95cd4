"""Batches of retention: one writer at a time, each batch a short transaction that tells of itself."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from framework.call import Context, service_actor
from framework.engine.writing import event_of
from framework.identifiers import new_id
from framework.storage import Database, Transaction

BATCH = 1000
FIRST = UUID(int=0)
"""Before every id."""
Counts = Counter[tuple[str, str]]
"""How many rows a pass changed, by what was done to what: `("lapsed", "inputs")`, `("deleted", "executions")`."""
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('program:retention', 0)) AS alone"


class Busy(Exception):  # noqa: N818 - what happened
    """Another process is at it."""


@asynccontextmanager
async def batch(database: Database) -> AsyncIterator[Transaction]:
    """Opens the transaction of one batch; raises Busy while another process has one."""
    async with database.system() as tx:
        row = await tx.fetch_one(_ALONE)
        if not (row and row["alone"]):
            raise Busy
        yield tx


async def tell(
    tx: Transaction,
    organization_id: UUID,
    kind: str,
    told: Mapping[str, Any],
    resource_type: str,
    identifier: str = "",
) -> None:
    """Leaves the event of one batch: how many rows, and up to which."""
    context = Context(service_actor("program", organization_id), "Retain", str(new_id()), float("inf"))
    event = event_of(context, kind, "OK")
    event.resource_type, event.resource_id = resource_type, identifier
    event.data.update(told)
    await tx.record(event)


def id_at(instant: datetime) -> UUID:
    """Returns the first id that could have been made at an instant: ids are in the order of their making."""
    return uuid.UUID(int=max(0, int(instant.timestamp() * 1000)) << 80)
