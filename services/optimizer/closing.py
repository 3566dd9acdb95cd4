"""What an ended run leaves open, closed by who ends it or by the next sweep: its grant and its evaluations."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import auth_internal_service_pb2 as auth_pb
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationsRequest

from framework.errors import Failure, GrantLost, NotPermitted
from framework.rpc.channels import as_caller
from framework.rpc.interceptors import LONGEST_SECONDS
from framework.rpc.peer_failures import from_peer
from framework.storage import Database
from services.optimizer.application import Application
from services.optimizer.evaluating import cancel, pause
from services.optimizer.resources import ENDED

SWEEP_SECONDS = 2.0
UNBORN_SECONDS = LONGEST_SECONDS + 60.0
"""How long after it was granted a run may still be written down: longer than any call that starts one."""
_UNFINISHED = " OR ".join(f"status = WORK_STATUS_{each}" for each in ("PENDING", "RUNNING", "PAUSED"))
# What an extended run attaches to again by its id is no trial's: what it looked at behind them.
_OVER = """
SELECT status, ARRAY(SELECT evaluation_id FROM trials WHERE organization_id = run.organization_id
                     AND optimization_run_id = run.id AND evaluation_id = ANY(%(unfinished)s::uuid[])) AS of_trials
FROM optimization_runs run WHERE organization_id = %(organization_id)s AND id = %(id)s
  AND grant_id = %(grant_id)s AND status = ANY(%(ended)s)
"""
# A grant that its run does not name may be about to be written, or is one that nobody came to write.
_NEEDLESS = """
SELECT open.organization_id, open.run_id AS id, open.grant_id, coalesce(run.grant_id = open.grant_id, false) AS named
FROM unnest(%(organizations)s::uuid[], %(runs)s::uuid[], %(grants)s::uuid[], %(ages)s::float8[])
     AS open (organization_id, run_id, grant_id, age)
LEFT JOIN optimization_runs run ON run.organization_id = open.organization_id AND run.id = open.run_id
WHERE CASE WHEN run.grant_id = open.grant_id
           THEN run.status = ANY(%(ended)s) AND coalesce(run.lease_until < clock_timestamp(), true)
           ELSE open.age > %(unborn)s END
"""


async def close(database: Database, application: Application, run: Mapping[str, Any]) -> None:
    """Stops what is still evaluated for an ended run, and ends its grant; left to the sweep while a peer is away.

    Of a run that goes on again meanwhile nothing is stopped: only the grant that it has no more is ended.
    """
    try:
        await _stop_evaluations(database, application, run)
    except (GrantLost, NotPermitted):
        pass  # nothing can be done in its name any more; what nobody attaches to pauses by itself
    except Failure:
        return
    await application.end_grant(run["grant_id"])


async def _stop_evaluations(database: Database, application: Application, run: Mapping[str, Any]) -> None:
    token = await application.tokens.exchange(str(run["grant_id"]))
    request = ListEvaluationsRequest(filter=f'run_id = "{run["id"]}" AND ({_UNFINISHED})', page_size=1000)
    request.read_mask.paths.append("id")
    with from_peer("program"):
        found = await application.program.ListEvaluations(request, metadata=as_caller(token), timeout=2.0)
    unfinished = [UUID(each.id) for each in found.evaluations]
    if not unfinished:
        return
    # Looked at when they are known: what a later life of the run has begun is not among them.
    async with database.tenant(run["organization_id"]) as tx:
        over = await tx.fetch_one(_OVER, dict(run) | {"unfinished": unfinished, "ended": list(ENDED)})
    if over is None:
        return
    final = over["status"] == "STATUS_CANCELLED"
    stops = {each: cancel if final or each in over["of_trials"] else pause for each in unfinished}
    await asyncio.gather(*(stop(application, token, str(each)) for each, stop in stops.items()))


class Closer:
    """Closes what those left who died when they ended a run, or before they began it; any number of processes may."""

    def __init__(
        self,
        database: Database,
        application: Application,
        every_seconds: float = SWEEP_SECONDS,
        unborn_seconds: float = UNBORN_SECONDS,
    ) -> None:
        self._database = database
        self._application = application
        self._every = every_seconds
        self._unborn = unborn_seconds

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            with suppress(Failure):  # a peer that is away is asked again
                await self.sweep()
            await asyncio.sleep(self._every)

    async def sweep(self) -> None:
        """Looks at every open grant once, and closes what no run needs."""
        async for page in self._pages():
            for left in await self._needless(page):
                if left["named"]:
                    await close(self._database, self._application, left)
                else:
                    await self._application.end_grant(left["grant_id"])

    async def _pages(self) -> AsyncIterator[Sequence[auth_pb.OpenGrant]]:
        after = ""
        while True:
            request = auth_pb.ListOpenGrantsRequest(after=after)
            with from_peer("auth"):
                own = as_caller(await self._application.tokens.own())
                page = (await self._application.auth.ListOpenGrants(request, metadata=own, timeout=5.0)).grants
            if not page:
                return
            yield page
            after = page[-1].grant_id

    async def _needless(self, page: Sequence[auth_pb.OpenGrant]) -> list[dict[str, Any]]:
        told = {
            "organizations": [UUID(each.organization_id) for each in page],
            "runs": [UUID(each.run_id) for each in page],
            "grants": [UUID(each.grant_id) for each in page],
            "ages": [each.age_seconds for each in page],
            "ended": list(ENDED),
            "unborn": self._unborn,
        }
        async with self._database.system() as tx:
            return await tx.fetch(_NEEDLESS, told)
