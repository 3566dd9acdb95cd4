"""Keeps the credentials in memory current: everything at start, then each numbered change within a quarter second."""

import asyncio
import logging
import time

from framework.errors import Failure
from framework.storage import Database, Transaction
from services.auth.credentials import CREDENTIAL_QUERY, Credentials, credential_of
from services.auth.gatekeeper import Gatekeeper

CHANNEL = "auth_credentials"
_EVERY_SECONDS = 0.25
# Longer than any access token lives: `application.LONGEST_ACCESS_SECONDS`, and what clocks may differ.
_ENDED = "SELECT id FROM sessions WHERE ended_at > now() - interval '25 hours'"
_log = logging.getLogger(__name__)


class Refresher:
    """Follows `credential_changes`: a row per key, user or organization, numbered in the order of commits."""

    def __init__(self, database: Database, credentials: Credentials, gatekeeper: Gatekeeper) -> None:
        self._database = database
        self._credentials = credentials
        self._gatekeeper = gatekeeper
        self._number = -1
        self._refreshed_at = float("-inf")
        self._looking = asyncio.Lock()

    def age(self) -> float:
        """Returns how many seconds ago the memory was last known to be current; infinite before the first load."""
        return time.monotonic() - self._refreshed_at

    async def follow(self) -> None:
        """Refreshes for ever; a database that does not answer is tried again, the memory ages meanwhile."""
        async for _ in self._database.listen(CHANNEL, every=_EVERY_SECONDS):
            try:
                await self.refresh()
            except Failure as failure:
                _log.warning("credentials are %.1f s old: %s", self.age(), failure.message)

    async def renew(self) -> None:
        """Returns when the memory is as new as this call; callers at the same time share one look at the database."""
        asked = time.monotonic()
        async with self._looking:
            if self._refreshed_at < asked:
                await self._refresh()

    async def refresh(self) -> None:
        """Takes in what changed since the last time, or everything the first time."""
        async with self._looking:
            await self._refresh()

    async def _refresh(self) -> None:
        began = time.monotonic()
        async with self._database.system() as tx:
            newest = await self._newest(tx)
            if newest != self._number:
                await self._load(tx)
                self._number = newest
                self._gatekeeper.forget()
        self._refreshed_at = began

    async def _newest(self, tx: Transaction) -> int:
        row = await tx.fetch_one("SELECT number FROM credential_counter")
        return int(row["number"]) if row else 0

    async def _load(self, tx: Transaction) -> None:
        # READ COMMITTED: the rows read here are at least as new as the number read before.
        changed = "(SELECT id FROM credential_changes WHERE number > %(number)s)"
        touched = " OR ".join(f"{name} IN {changed}" for name in ("api_key_id", "user_id", "organization_id"))
        where = "" if self._number < 0 else f" WHERE {touched}"
        rows = await tx.fetch(CREDENTIAL_QUERY + where, {"number": self._number})
        self._credentials.learn(credential_of(row) for row in rows)
        ended = await tx.fetch(_ENDED)
        self._credentials.forget_sessions(row["id"] for row in ended)
