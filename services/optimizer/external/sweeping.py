"""External runs whose clients have gone: what may start nothing more ends once the last lease has, asked or not."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

from framework.call import Context, service_actor
from framework.errors import Failure
from framework.identifiers import new_id
from framework.rpc.assembly import Parts
from services.optimizer.application import SERVICE
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn

_log = logging.getLogger(__name__)
_EVERY_SECONDS = 20.0
_PAGE = 100
# Only runs with limits can have come to an end that nobody has asked about; one whose trials are leased is asked about.
_LEFT = """
SELECT organization_id, id FROM optimization_runs AS run
WHERE evaluator = 'EVALUATOR_EXTERNAL' AND status = 'STATUS_RUNNING' AND limits IS NOT NULL AND id > %(after)s
  AND NOT EXISTS (
    SELECT 1 FROM trials WHERE trials.organization_id = run.organization_id AND trials.optimization_run_id = run.id
      AND trials.status = 'STATUS_RUNNING' AND trials.lease_until > clock_timestamp())
ORDER BY id LIMIT %(page)s
"""
_FIRST = "00000000-0000-0000-0000-000000000000"


class Sweeper:
    """Looks after the runs of clients that have vanished; any number of processes may."""

    def __init__(self, parts: Parts, every_seconds: float = _EVERY_SECONDS) -> None:
        self._parts = parts
        self._every = every_seconds

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            try:
                await self.sweep()
            except Failure:
                _log.warning("external runs could not be swept; trying again later", exc_info=True)
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """Ends every run that has reached a limit, and whose trials nobody has."""
        async for row in self._left():
            actor = service_actor(SERVICE, row["organization_id"])
            call = self._parts.engine.call(Context(actor, "RunOptimization", f"sweep-{new_id()}", math.inf))
            await in_turn(call, str(row["id"]), "Update", _concluded)

    async def _left(self) -> AsyncIterator[dict[str, Any]]:
        after: Any = _FIRST
        while True:
            async with self._parts.database.system() as tx:
                page = await tx.fetch(_LEFT, {"after": after, "page": _PAGE})
            for row in page:
                yield row
            if len(page) < _PAGE:
                return
            after = page[-1]["id"]


async def _concluded(at: Turn) -> None:
    await at.conclude(await at.spent())
