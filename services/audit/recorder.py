"""Appends events to the chain of their organization, in the order of arrival; a redelivered event changes nothing."""

import secrets
from datetime import UTC
from typing import Any
from uuid import UUID

from ashgrove.audit_chain import FIRST, VERSION, link_of, payload_digest_of
from ashgrove.event.v1.event_pb2 import Actor, Event
from psycopg.types.json import Jsonb

from framework.failpoints import Failpoint
from framework.plain import plain, plain_struct
from framework.storage import Transaction

LINKED = Failpoint("audit.linked", "an entry is linked to its predecessor, and not inserted")

PLATFORM = UUID(int=0)
"""The chain of events that belong to no organization; nobody is its member."""

# One writer per organization: whoever holds this lock sees the chain's last link. Retention waits for all of them.
_LOCK = """SELECT pg_advisory_xact_lock_shared(hashtextextended('audit', 0)),
                  pg_advisory_xact_lock(hashtextextended('audit:' || %(organization)s, 0))"""
_HEAD = """
SELECT clock_timestamp() AS now, head.sequence, head.hash,
       EXISTS (SELECT FROM audit_entries_kept WHERE organization_id = %(o)s AND id = %(id)s) AS known
FROM (SELECT 1) AS one LEFT JOIN LATERAL (
    SELECT sequence, hash FROM audit_entries_kept WHERE organization_id = %(o)s ORDER BY sequence DESC LIMIT 1
) AS head ON true"""


async def append(tx: Transaction, event: Event, source: str) -> None:
    """Adds an event that a service's feed told; must run as the `_system` role."""
    organization = organization_of(event)
    await tx.fetch(_LOCK, {"organization": str(organization)})
    head = await tx.fetch_one(_HEAD, {"o": organization, "id": UUID(event.id)})
    assert head is not None, "a select without a table has one row"
    if head["known"]:
        return
    row = _row(event, source, organization, head)
    row["hash"] = link_of(row["previous_hash"], row)
    LINKED()
    stored = {
        name: Jsonb(value) if name in ("actor", "data", "changed_paths", "before") else value
        for name, value in row.items()
    }
    names = ", ".join(stored)
    values = ", ".join(f"%({name})s" for name in stored)
    await tx.execute(f"INSERT INTO audit_entries ({names}) VALUES ({values})", stored)


def organization_of(event: Event) -> UUID:
    """Returns whose chain an event belongs to."""
    return UUID(event.organization_id) if event.organization_id else PLATFORM


def _row(event: Event, source: str, organization: UUID, head: dict[str, Any]) -> dict[str, Any]:
    row = {
        "organization_id": organization,
        "id": UUID(event.id),
        "sequence": (head["sequence"] or 0) + 1,
        "type": event.type,
        "action": event.action,
        "outcome": event.outcome,
        "resource_type": event.resource_type,
        "resource_id": UUID(event.resource_id) if event.resource_id else None,
        "actor": plain(event.actor),
        "actor_id": UUID(event.actor.id) if event.actor.kind == Actor.KIND_USER else None,
        "request_id": event.request_id,
        "source": source,
        "source_sequence": event.sequence,
        "occurred_at": event.occurred_at.ToDatetime(tzinfo=UTC),
        "created_at": head["now"],
        "previous_hash": head["hash"] or FIRST,
        "data": plain_struct(event.data),
        "changed_paths": list(event.changed_paths),
        "before": plain_struct(event.before),
        "client_address": event.client_address,
        "user_agent": event.user_agent,
        "trace_id": event.trace_id,
        "link_version": VERSION,
        "payload_salt": secrets.token_hex(16),
        "chain": str(organization),
    }
    return row | {"payload_digest": payload_digest_of(row)}
