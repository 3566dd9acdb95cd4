"""The worker: takes runs that nobody holds, keeps their leases, and hands each to its own search."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from os import getpid
from typing import Any

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.rpc.assembly import Parts
from framework.storage import Leases
from framework.tasks import stopped
from framework.telemetry import CONSUMER, continuing
from services.optimizer.application import Application
from services.optimizer.closing import close
from services.optimizer.held import LEASE_SECONDS, HeldRun
from services.optimizer.search import Search
from services.optimizer.story import WORK, Fenced

MOST_RUNS = 16
# What clients evaluate needs no worker.
_CLAIMABLE = """evaluator <> 'EVALUATOR_EXTERNAL'
                AND (status IN ('STATUS_PENDING', 'STATUS_RUNNING', 'STATUS_CANCELLING')
                     OR (status = 'STATUS_PAUSED' AND resumes_at <= clock_timestamp()))"""
CLAIMED = Failpoint("run.claimed", "a worker holds a run, and has not begun with it")
_log = logging.getLogger(__name__)


class Worker:
    """Works on many runs at once, as one of any number of workers."""

    def __init__(self, parts: Parts, application: Application, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self.parts = parts
        self.application = application
        self.lease_seconds = lease_seconds
        self.leases = Leases(parts.database, "optimization_runs", _CLAIMABLE)
        self.name = f"{socket.gethostname()}:{getpid()}:{id(self):x}"
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Works until cancelled; a notification wakes it, and so do two seconds without one."""
        try:
            async for _ in self.parts.database.listen(WORK, every=2.0):
                with suppress(Failure):
                    await self._take_all()
        finally:
            await self._let_go()

    async def _take_all(self) -> None:
        while len(self.tasks) < MOST_RUNS:
            row = await self.leases.claim(self.name, self.lease_seconds)
            if row is None:
                return
            CLAIMED()
            task = asyncio.create_task(self._work(row))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _work(self, row: dict[str, Any]) -> None:
        search = Search(self.parts, self.application, self.leases, row, self.lease_seconds)
        try:
            told = {"ashgrove.organization.id": row["organization_id"], "ashgrove.work.id": row["id"]}
            with continuing("optimization run", row["traceparent"], told, kind=CONSUMER):
                async with self._kept(row):
                    await search.run()
        except Fenced:
            _log.info("run %s was paused, or belongs to another worker now", row["id"])
            await search.rest()
        except Failure as failure:
            # The lease ends by itself, and whoever takes the run next begins where this one stopped.
            _log.warning("run %s was left: %s", row["id"], failure)
        except asyncio.CancelledError:
            with suppress(Failure):
                await self.leases.release(row)  # so that another worker need not wait for the lease to end
            raise
        except Exception:
            _log.exception("run %s stopped by a fault", row["id"])
            await self._give_up(row)

    async def _give_up(self, row: dict[str, Any]) -> None:
        """Ends a run as failed: whoever took it next would meet the same fault, for ever."""
        held = HeldRun(self.parts, self.leases, row, self.lease_seconds)
        with suppress(Failure, Fenced):
            told = "the optimizer could not go on with this run; its results are kept"
            await held.fail(told, "ERROR_CLASS_INTERNAL")
            await close(self.parts.database, self.application, row)

    @asynccontextmanager
    async def _kept(self, row: dict[str, Any]) -> AsyncIterator[None]:
        """Renews the lease while the block runs, and stops the block when the lease is lost."""
        working = asyncio.current_task()
        assert working is not None
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self.lease_seconds / 4)
                with suppress(Failure):
                    if not await self.leases.renew(row, self.lease_seconds):
                        lost = True
                        working.cancel()
                        return

        keeper = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if lost:
                raise Fenced from None
            raise
        finally:
            keeper.cancel()

    async def _let_go(self) -> None:
        await stopped(list(self.tasks))
