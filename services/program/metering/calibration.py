"""How many tokens a byte of request is for each connector: from what its calls were counted at, over all workers."""

from uuid import UUID

from domain.pricing import UNCALIBRATED
from framework.storage import Database

ENOUGH_BYTES = 2_000
"""Fewer bytes than this say nothing about a tokenizer."""
_COUNTED = """
SELECT coalesce(sum(counted_bytes), 0)::bigint AS bytes, coalesce(sum(counted_tokens), 0)::bigint AS tokens
FROM connector_usage WHERE connector_id = %(connector)s AND month > now() - interval '62 days'
"""


class Calibration:
    """What this worker knows: read once for each connector, and learnt from every call since."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[UUID, tuple[int, int]] = {}

    async def of(self, connector_id: UUID) -> float:
        """Returns tokens per byte; a careful guess while there is too little to go by."""
        if connector_id not in self._known:
            async with self._database.system() as tx:
                row = await tx.fetch_one(_COUNTED, {"connector": connector_id})
            assert row is not None
            self._known.setdefault(connector_id, (row["bytes"], row["tokens"]))
        size, tokens = self._known[connector_id]
        return tokens / size if size >= ENOUGH_BYTES and tokens else UNCALIBRATED

    def learn(self, connector_id: UUID, size: int, tokens: int) -> None:
        """Takes one counted call into account."""
        known = self._known.get(connector_id, (0, 0))
        self._known[connector_id] = (known[0] + size, known[1] + tokens)
