"""A run's story: events numbered from 1 without gaps, each committed with the state that it tells."""

from collections.abc import Mapping
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from framework.plain import made, plain
from framework.storage import Transaction
from framework.storage.database import as_json
from services.optimizer.run_changes import NO_CHANGES, Changes

WORK = "optimizer_work"
"""The channel that wakes the workers."""
BATCH = 500
"""How many events are read at a time."""

# The counter is taken with the run's row locked, so numbers follow the order of commits. A token of -1 is no fence.
_TELL = """
WITH counted AS (
    UPDATE optimization_runs SET last_sequence = last_sequence + %(count)s{changes}
    WHERE organization_id = %(organization)s AND id = %(run)s AND (%(token)s = -1 OR fencing_token = %(token)s)
    RETURNING last_sequence, status
)
INSERT INTO run_events (organization_id, run_id, sequence, status, event)
SELECT %(organization)s, %(run)s, last_sequence - %(count)s + place, status, event
FROM counted, jsonb_array_elements(%(events)s) WITH ORDINALITY AS told (event, place)
"""
_READ = """
SELECT sequence, status, event, created_at FROM run_events
WHERE organization_id = %(organization)s AND run_id = %(run)s AND sequence > %(after)s
ORDER BY sequence LIMIT %(limit)s
"""
_LATEST = """
SELECT event ->> 'type' AS type FROM run_events
WHERE organization_id = %(organization)s AND run_id = %(run)s ORDER BY sequence DESC LIMIT 1
"""

_WARNED = """
SELECT event ->> 'limit' AS name FROM run_events
WHERE organization_id = %(organization)s AND run_id = %(run)s AND event ->> 'type' = 'TYPE_BUDGET_WARNED'
  AND sequence > coalesce((
    SELECT max(sequence) FROM run_events
    WHERE organization_id = %(organization)s AND run_id = %(run)s AND event ->> 'type' = 'TYPE_RUN_EXTENDED'), 0)
"""


class Fenced(Exception):  # noqa: N818 - not an error: somebody else has the run now
    """Another worker holds the run; this one must stop and write nothing."""


def topic(run_id: object) -> str:
    """Returns the topic of the hints about a run."""
    return f"run:{run_id}"


async def tell(
    tx: Transaction, run: Mapping[str, Any], *events: RunEvent, fenced: bool = True, changing: Changes = NO_CHANGES
) -> None:
    """Adds events to the run's story, in order, and changes its row with them.

    Raises Fenced when the run belongs to another worker by now.

    Where there is no fence the statement leaves with the next one.
    """
    told = {
        "organization": run["organization_id"],
        "run": run["id"],
        "token": run["fencing_token"] if fenced else -1,
        "count": len(events),
        "events": as_json([plain(event) for event in events]),
        **changing.params,
    }
    sql = _TELL.format(changes=f", {changing.sql}" if changing.sql else "")
    if not fenced:
        await tx.leave(sql, told)
    elif not await tx.execute(sql, told):
        raise Fenced


async def latest(tx: Transaction, run: Mapping[str, Any]) -> str:
    """Returns the type of the run's latest event, nothing when nothing was told yet."""
    found = await tx.fetch_one(_LATEST, {"organization": run["organization_id"], "run": run["id"]})
    return str(found["type"]) if found else ""


async def warned(tx: Transaction, run: Mapping[str, Any]) -> set[str]:
    """Returns the limits of a run that were warned of since they were last raised."""
    found = await tx.fetch(_WARNED, {"organization": run["organization_id"], "run": run["id"]})
    return {str(row["name"]) for row in found}


async def read(tx: Transaction, run: Mapping[str, Any], after: int) -> list[RunEvent]:
    """Returns the next events after a number, a batch at most."""
    ids = {"organization": run["organization_id"], "run": run["id"], "after": after, "limit": BATCH}
    return [_event(run, row) for row in await tx.fetch(_READ, ids)]


def _event(run: Mapping[str, Any], row: Mapping[str, Any]) -> RunEvent:
    event = made(RunEvent, row["event"])
    event.run_id, event.sequence = str(run["id"]), row["sequence"]
    event.status = pb.OptimizationRun.Status.Value(row["status"])
    event.occurred_at.FromDatetime(row["created_at"])
    return event
