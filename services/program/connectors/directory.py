"""Finds the connector that a program means by its model's name: the organization's own, else one shared to it."""

import time
from typing import Any
from uuid import UUID

from framework.storage import Database
from services.program.connectors.endpoint import Endpoint, endpoint_of

KEPT_SECONDS = 2.0
"""How long what was found is believed: so soon a withdrawn share or a lowered limit holds everywhere."""
_OWN = """
SELECT * FROM connectors
WHERE organization_id = %(organization)s AND name = %(name)s AND status = 'STATUS_ACTIVE'
"""
_SHARED = """
SELECT s.limits AS share_limits, s.weight AS share_weight, c.* FROM connector_shares s
JOIN connectors c ON c.organization_id = s.lender_id AND c.id = s.connector_id
WHERE s.organization_id = %(organization)s AND c.name = %(name)s
  AND s.status = 'STATUS_ACTIVE' AND c.status = 'STATUS_ACTIVE'
ORDER BY s.created_at LIMIT 1
"""
_ALL_OWN = "SELECT * FROM connectors WHERE organization_id = %(organization)s AND status = 'STATUS_ACTIVE' ORDER BY id"
_ALL_SHARED = """
SELECT c.* FROM connector_shares s JOIN connectors c ON c.organization_id = s.lender_id AND c.id = s.connector_id
WHERE s.organization_id = %(organization)s AND s.status = 'STATUS_ACTIVE' AND c.status = 'STATUS_ACTIVE' ORDER BY c.id
"""


class Directory:
    """Knows the connectors of every organization, two seconds late at most."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[tuple[UUID, str], tuple[float, Endpoint | None]] = {}

    async def find(self, organization_id: UUID, name: str) -> Endpoint | None:
        """Returns the connector of that name that an organization may use; None when there is none."""
        key = (organization_id, name)
        known = self._kept.get(key)
        if known and known[0] > time.monotonic():
            return known[1]
        found = await self._read({"organization": organization_id, "name": name})
        if len(self._kept) > 10_000:
            self._kept.clear()
        self._kept[key] = (time.monotonic() + KEPT_SECONDS, found)
        return found

    async def all(self, organization_id: UUID) -> list[Endpoint]:
        """Returns every connector that an organization may use, its own first, in the order of their ids."""
        async with self._database.system() as tx:
            own = await tx.fetch(_ALL_OWN, {"organization": organization_id})
            shared = await tx.fetch(_ALL_SHARED, {"organization": organization_id})
        return [endpoint_of(row) for row in [*own, *shared]]

    def forget(self) -> None:
        """Believes nothing of what was found before."""
        self._kept.clear()

    async def by_id(self, organization_id: UUID, identifier: UUID) -> Endpoint | None:
        """Returns an organization's own connector, archived or not; None when there is none."""
        query = "SELECT * FROM connectors WHERE organization_id = %(organization)s AND id = %(id)s"
        async with self._database.system() as tx:
            row = await tx.fetch_one(query, {"organization": organization_id, "id": identifier})
        return endpoint_of(row) if row else None

    async def _read(self, names: dict[str, Any]) -> Endpoint | None:
        async with self._database.system() as tx:
            if row := await tx.fetch_one(_OWN, names):
                return endpoint_of(row)
            row = await tx.fetch_one(_SHARED, names)
        return endpoint_of(row, {"limits": row["share_limits"], "weight": row["share_weight"]}) if row else None
