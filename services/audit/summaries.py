"""Summaries: events of which there are many become one entry a minute, with their count and a digest over all of them.

digest = SHA-256(digest before ‖ SHA-256(RFC 8785 of id, type, resource_id, outcome and data)), from 32 zero bytes on,
in the order of the source's feed: whoever has the events can make it again.
"""

import asyncio
import hashlib
import logging
from datetime import UTC
from typing import Any
from uuid import UUID

from ashgrove.audit_chain import normal
from ashgrove.canonical import canonical
from ashgrove.event.v1.event_pb2 import Event
from google.protobuf.json_format import MessageToDict, ParseDict
from psycopg.types.json import Jsonb

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database, Transaction
from services.audit.recorder import PLATFORM, append, organization_of

_log = logging.getLogger(__name__)
_EVERY_SECONDS = 5.0
SUMMARIZED = Failpoint("summary.told", "summaries are entries in a transaction that is not committed")

_ADD = """
INSERT INTO audit_summaries AS known (organization_id, source, type, action, outcome, actor, minute, count, digest,
    first_source_sequence, last_source_sequence, first_occurred_at, last_occurred_at)
VALUES (%(organization)s, %(source)s, %(type)s, %(action)s, %(outcome)s, %(actor)s,
    to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %(seconds)s) * %(seconds)s), 1,
    encode(sha256(decode(repeat('0', 64) || %(digest)s, 'hex')), 'hex'),
    %(sequence)s, %(sequence)s, %(occurred_at)s, %(occurred_at)s)
ON CONFLICT (organization_id, source, type, action, outcome, actor, minute) DO UPDATE
SET count = known.count + 1, digest = encode(sha256(decode(known.digest || %(digest)s, 'hex')), 'hex'),
    last_source_sequence = excluded.last_source_sequence, last_occurred_at = excluded.last_occurred_at
WHERE known.last_source_sequence < excluded.last_source_sequence
"""
_OVER = """
DELETE FROM audit_summaries WHERE minute <= clock_timestamp() - %(seconds)s * interval '1 second' RETURNING *
"""
_TOLD = ("count", "digest", "first_source_sequence", "last_source_sequence")


async def record(tx: Transaction, event: Event, source: str, *, seconds: int = 60) -> None:
    """Records an event of a feed: as an entry of its own, or in its minute's summary; runs as the `_system` role."""
    if event.audit != Event.AUDIT_SUMMARY:
        await append(tx, event, source)
        return
    given = {name: getattr(event, name) for name in ("type", "action", "outcome", "sequence")}
    actor = MessageToDict(event.actor, preserving_proto_field_name=True)
    given |= {"organization": organization_of(event), "source": source, "seconds": seconds, "actor": Jsonb(actor)}
    given |= {"digest": digest_of(event), "occurred_at": event.occurred_at.ToDatetime(tzinfo=UTC)}
    await tx.execute(_ADD, given)


def digest_of(event: Event) -> str:
    """Returns what a summary's digest takes of one event, in hexadecimal."""
    told = {name: getattr(event, name) for name in ("id", "type", "resource_id", "outcome")}
    return hashlib.sha256(canonical({**told, "data": normal(MessageToDict(event.data))})).hexdigest()


async def tell(database: Database, seconds: int = 60) -> int:
    """Makes an entry of every summary whose minute is over; returns how many there were."""
    async with database.system() as tx:
        rows = await tx.fetch(_OVER, {"seconds": seconds})
        for row in sorted(rows, key=lambda row: (row["organization_id"], row["source"], row["last_source_sequence"])):
            await append(tx, _event(row), row["source"])
        if rows:
            SUMMARIZED()
    return len(rows)


async def keep_telling(database: Database, seconds: int) -> None:
    """Makes entries of summaries every few seconds, until cancelled."""
    while True:
        try:
            await tell(database, seconds)
        except Failure:
            _log.warning("summaries could not be told; trying again", exc_info=True)
        await asyncio.sleep(min(_EVERY_SECONDS, seconds))


def _event(row: dict[str, Any]) -> Event:
    organization: UUID = row["organization_id"]
    event = Event(id=str(new_id()), organization_id="" if organization == PLATFORM else str(organization))
    for name in ("type", "action", "outcome"):
        setattr(event, name, row[name])
    event.sequence, event.resource_type = row["last_source_sequence"], row["type"].partition(".")[0]
    ParseDict(row["actor"], event.actor)
    event.occurred_at.FromDatetime(row["last_occurred_at"])
    told = {name: row[name] for name in _TOLD}
    event.data.update({**told, "first_occurred_at": row["first_occurred_at"].isoformat()})
    return event
