"""Sign-ins that fail: counted per address, reason and minute, and told when the minute is over."""

import asyncio
import logging
from collections import Counter
from typing import Any
from uuid import UUID

from ashgrove.event.v1.event_pb2 import Actor, Event

from framework.errors import Failure
from framework.storage import Database, Transaction
from services.auth.credentials import Credential

NO_KEY = "no key or token that holds"
WRONG_KEY = "a key that does not hold was to be traded"
WRONG_PASSWORD = "a password that is not the person's, or of nobody who may come in"
WRONG_INVITATION = "an invitation that does not hold, or a password that is not the invited person's"
_EVERY_SECONDS = 10.0
_MOST = 10_000  # addresses that one process remembers between two writings
_log = logging.getLogger(__name__)

_COUNT = """
INSERT INTO refusals (minute, address, reason, organization_id, api_key_id, count)
VALUES (date_trunc('minute', now()), %(address)s, %(reason)s, %(organization)s, %(key)s, %(count)s)
ON CONFLICT ON CONSTRAINT refusals_key DO UPDATE SET count = refusals.count + excluded.count
"""
_TAKE = "DELETE FROM refusals WHERE minute < date_trunc('minute', now()) RETURNING *"


async def count(tx: Transaction, address: str, reason: str, credential: Credential | None, times: int = 1) -> None:
    """Counts refusals of this minute, of a key when it is one that we know."""
    values = {
        "address": address,
        "reason": reason,
        "organization": credential.organization_id if credential else None,
        "key": credential.api_key_id if credential else None,
        "count": times,
    }
    await tx.execute(_COUNT, values)


class Refusals:
    """What ext_authz refused since the last writing, by address."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: Counter[str] = Counter()

    def note(self, address: str) -> None:
        """Notes a call that was refused just now; beyond ten thousand addresses all others count as one."""
        self._noted[address if len(self._noted) < _MOST or address in self._noted else "others"] += 1

    async def follow(self) -> None:
        """Writes every ten seconds, until cancelled; whoever ends the process writes once more."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Writes what was noted; a database that is away keeps it noted."""
        noted, self._noted = self._noted, Counter()
        try:
            async with self._database.system() as tx:
                for address in sorted(noted):  # the same order everywhere, so that no two processes wait in a ring
                    await count(tx, address, NO_KEY, None, noted[address])
        except Failure:
            self._noted += noted
            _log.warning("refusals of %d addresses could not be written; trying again", len(noted), exc_info=True)


async def tell(database: Database) -> int:
    """Tells of every minute that is over, one event for each address and reason; returns how many there were."""
    async with database.system() as tx:
        rows = await tx.fetch(_TAKE)
        for row in rows:
            await tx.record(_event(row))
    return len(rows)


async def keep_telling(database: Database) -> None:
    """Tells of refusals every ten seconds, until cancelled."""
    while True:
        try:
            await tell(database)
        except Failure:
            _log.warning("refusals could not be told; trying again", exc_info=True)
        await asyncio.sleep(_EVERY_SECONDS)


def _event(row: dict[str, Any]) -> Event:
    event = Event(type="sign_in.refused", outcome="UNAUTHENTICATED", client_address=row["address"])
    event.organization_id = _text(row["organization_id"])
    if row["api_key_id"] is not None:
        event.resource_type, event.resource_id = "api_key", _text(row["api_key_id"])
    event.actor.CopyFrom(Actor(kind=Actor.KIND_ANONYMOUS, credential_id=_text(row["api_key_id"])))
    event.occurred_at.FromDatetime(row["minute"])
    event.data.update({"reason": row["reason"], "count": row["count"], "address": row["address"]})
    return event


def _text(identifier: UUID | None) -> str:
    return str(identifier) if identifier else ""
