"""When members last signed in: noted in memory by whoever lets them in, written some seconds later."""

import asyncio
import logging
from datetime import UTC, datetime
from uuid import UUID

from framework.errors import Failure
from framework.storage import Database
from services.auth.credentials import Credential

_EVERY_SECONDS = 5.0
_log = logging.getLogger(__name__)

# Nobody's lock and nobody's etag changes for it.
_WRITE = """
UPDATE users SET last_sign_in_at = %(at)s
WHERE organization_id = %(organization)s AND id = %(id)s AND (last_sign_in_at IS NULL OR last_sign_in_at < %(at)s)
"""


class SignIns:
    """The sign-ins since the last writing: the latest of each member."""

    def __init__(self) -> None:
        self._noted: dict[tuple[UUID, UUID], datetime] = {}

    def note(self, credential: Credential) -> None:
        """Notes that a member has just signed in."""
        self._noted[credential.organization_id, credential.user_id] = datetime.now(UTC)

    async def write(self, database: Database) -> None:
        """Writes what was noted; a database that is away keeps it noted."""
        noted, self._noted = self._noted, {}
        try:
            async with database.system() as tx:
                for organization, user in sorted(noted):  # the same order everywhere
                    values = {"organization": organization, "id": user, "at": noted[organization, user]}
                    await tx.execute(_WRITE, values)
        except Failure:
            self._noted = noted | self._noted
            _log.warning("%d sign-ins could not be written; trying again", len(noted), exc_info=True)

    async def keep_writing(self, database: Database) -> None:
        """Writes every five seconds, until cancelled; whoever ends the process writes once more."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            if self._noted:
                await self.write(database)
