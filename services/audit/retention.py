"""Retention: payloads of old entries go month by month, links never; a signed entry in each chain tells of it."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from ashgrove.audit_statements import TOMBSTONE, tombstone_statement
from ashgrove.event.v1.event_pb2 import Actor, Event

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database
from services.audit.recorder import PLATFORM, append
from services.audit.signing import Signer

_log = logging.getLogger(__name__)
_EVERY_SECONDS = 3600.0
BURIED = Failpoint("retention.buried", "payloads are dropped and told of in a transaction that is not committed")

# No writer may be between its chain's lock and the months' tables when those go; nor may anybody wait for ever.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('audit', 0)), set_config('lock_timeout', '10s', true)"
_GOING = """
SELECT DISTINCT ON (kept.organization_id) kept.organization_id, kept.sequence, kept.hash
FROM audit_entries_kept AS kept
WHERE kept.created_at < %(before)s AND kept.organization_id IN (
    SELECT organization_id FROM audit_entries_droppable WHERE created_at < %(before)s)
ORDER BY kept.organization_id, kept.sequence DESC
"""


async def drop_payloads(database: Database, signer: Signer, keep_days: int) -> int:
    """Drops the months that ended so many days ago, with a signed tombstone in each chain; returns how many went."""
    before = _month_of(datetime.now(UTC) - timedelta(days=keep_days))
    async with database.system() as tx:
        await tx.fetch(_LOCK)
        for last in await tx.fetch(_GOING, {"before": before}):
            await append(tx, _tombstone(last, before, signer), "audit")
        row = await tx.fetch_one("SELECT audit_entries_drop(%(before)s) AS gone", {"before": before})
        BURIED()
    return int(row["gone"]) if row else 0


async def keep_dropping(database: Database, signer: Signer, keep_days: int) -> None:
    """Drops what is old enough, every hour, until cancelled."""
    while True:
        try:
            if gone := await drop_payloads(database, signer, keep_days):
                _log.info("the payloads of %d months were dropped", gone)
        except Failure:
            _log.warning("old payloads could not be dropped; trying again in an hour", exc_info=True)
        await asyncio.sleep(_EVERY_SECONDS)


def _month_of(instant: datetime) -> datetime:
    return instant.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _tombstone(last: dict[str, Any], before: datetime, signer: Signer) -> Event:
    """Returns the event that says, signed, that every payload up to a link is gone."""
    organization = last["organization_id"]
    told = {"through_sequence": last["sequence"], "through_hash": last["hash"], "payloads_before": before.isoformat()}
    signature = signer.sign(tombstone_statement({**told, "chain": str(organization)}))
    event = Event(
        id=str(new_id()),
        type=TOMBSTONE,
        organization_id="" if organization == PLATFORM else str(organization),
        resource_type="audit_entry",
        action="Retain",
        outcome="OK",
        actor=Actor(kind=Actor.KIND_SERVICE, id="audit"),
    )
    event.occurred_at.GetCurrentTime()
    event.data.update({**told, "signature": signature, "public_key": signer.public_key})
    return event
