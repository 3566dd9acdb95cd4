"""When keys were last used: noted in memory at every call, written once a minute, told once a day."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from ashgrove.event.v1.event_pb2 import Actor, Event

from framework.errors import Failure
from framework.storage import Database, Transaction
from services.auth.credentials import Credential

_EVERY_SECONDS = 60.0
_log = logging.getLogger(__name__)

_WRITE = """
UPDATE api_keys k SET last_used_at = %(at)s FROM api_keys before
WHERE k.organization_id = %(organization)s AND k.id = %(id)s
  AND before.organization_id = k.organization_id AND before.id = k.id
  AND (k.last_used_at IS NULL OR k.last_used_at < %(at)s)
RETURNING before.last_used_at AS before
"""


class Uses:
    """The uses since the last writing: the latest time of each key, whatever the traffic."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[Credential, float] = {}

    def note(self, credential: Credential) -> None:
        """Notes that a key let a call in just now; memberships tell of themselves by signing in."""
        if credential.key_hash is not None:
            self._noted[credential] = time.time()

    async def follow(self) -> None:
        """Writes every minute, until cancelled; whoever ends the process writes once more."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Writes what was noted; a database that is away keeps it noted."""
        noted, self._noted = self._noted, {}
        try:
            async with self._database.system() as tx:
                for credential in sorted(noted, key=lambda one: one.api_key_id):  # the same order everywhere
                    await _write(tx, credential, datetime.fromtimestamp(noted[credential], UTC))
        except Failure:
            self._noted = noted | self._noted
            _log.warning("the last uses of %d keys could not be written; trying again", len(noted), exc_info=True)


async def _write(tx: Transaction, credential: Credential, at: datetime) -> None:
    organization, identifier = credential.organization_id, credential.api_key_id
    row = await tx.fetch_one(_WRITE, {"organization": organization, "id": identifier, "at": at})
    if row is None or (row["before"] is not None and row["before"].astimezone(UTC).date() == at.date()):
        return
    event = Event(type="api_key.used", organization_id=str(organization), resource_type="api_key", outcome="OK")
    event.resource_id = str(identifier)
    event.actor.CopyFrom(Actor(kind=Actor.KIND_USER, id=str(credential.user_id), credential_id=str(identifier)))
    event.occurred_at.FromDatetime(at)
    await tx.record(event)
