"""One run's search: suggest, evaluate, note, until the trials are spent, the run is cancelled or its grant is lost."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest
from grpc import aio

from domain.sampling import Unsatisfied
from domain.space import Space
from domain.strategies import Exhausted
from framework.errors import Failure, GrantLost
from framework.rpc.assembly import Parts
from framework.storage import Leases
from framework.tasks import stopped
from services.optimizer.ablating import Ablation
from services.optimizer.application import Application
from services.optimizer.asides import Asides
from services.optimizer.asking import asking
from services.optimizer.bootstrapping import Bootstrapping, Fruitless
from services.optimizer.choosing import Choosing
from services.optimizer.closing import close
from services.optimizer.enough import enough, may_be_enough
from services.optimizer.evaluating import results_of
from services.optimizer.held import LEASE_SECONDS
from services.optimizer.holding_out import LastLook
from services.optimizer.hopeless import Hopeless, hopeless
from services.optimizer.ledger import Ledger
from services.optimizer.prompts import offered
from services.optimizer.repeating import Repeats
from services.optimizer.spaces import space_of
from services.optimizer.story import topic
from services.optimizer.tried import Tried
from services.optimizer.under_way import UnderWay
from services.optimizer.waiting import NoneCanGoOn

_DROPPED = "STATUS_DROPPED"
_LOOK_SECONDS, _APART_SECONDS = 0.25, 0.1
"""How long to wait for a hint before the next look, and how far apart looks are: its own writes are hinted at, too."""


class Search:
    """Works on one leased run; whatever it needs to go on after a loss is in the rows."""

    def __init__(
        self,
        parts: Parts,
        application: Application,
        leases: Leases,
        row: dict[str, Any],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.parts = parts
        self.application = application
        self.row = row
        self.ledger = Ledger(parts, leases, row, lease_seconds)
        self.tried = Tried()
        self.choosing = Choosing(self.ledger, row, self.tried)
        self.under_way = UnderWay(application, self.ledger, row, self.tried)
        self.reason = "END_REASON_TRIALS"
        self.asides = Asides(application, self.ledger, row)
        self.bootstrapping = Bootstrapping(self.asides)
        self.repeats = Repeats(self.asides)
        self.look, self.ablation = LastLook(self.asides), Ablation(self.asides)

    async def run(self) -> None:
        """Runs the search to its end, whichever that is; raises Fenced when the run was paused or taken over."""
        if self.row["status"] == "STATUS_CANCELLING":
            await self._cancelled()
            return
        await self.ledger.start()
        searching = asyncio.create_task(self._search())
        watching = asyncio.create_task(self._until_cancelling())
        try:
            await asyncio.wait([searching, watching], return_when=asyncio.FIRST_COMPLETED)
            # Nothing of the run may be written after its end.
            await self._stop(searching, watching)
            if searching.cancelled():
                watching.result()  # the run may be another's by now, and a fault of the watcher's is no wish to cancel
                await self._cancelled()
            else:
                await self._ended(searching)
        finally:
            await self._stop(searching, watching)

    async def rest(self) -> None:
        """Pauses the evaluations of a run that is paused, best effort: it is not this worker's any more."""
        with suppress(Failure):
            if await self.ledger.is_paused():
                await self.under_way.pause([*await self.ledger.trials("STATUS_RUNNING"), *self.asides.unfinished])

    async def _stop(self, *tasks: "asyncio.Task[Any]") -> None:
        await stopped(tasks)
        await self.under_way.stop()

    async def _ended(self, searching: "asyncio.Task[Hopeless | None]") -> None:
        try:
            error = searching.result()
        except GrantLost as lost:
            await self.ledger.pause(lost.message)
            await self.rest()
            return
        except NoneCanGoOn as nobody:
            await self.ledger.wait(str(nobody))
            return
        if error:
            await self.ledger.fail(error.words, error.error_class)
        else:
            found = {"holdout_result": self.look.found, "ablation_result": self.ablation.found}
            await self.ledger.complete(self.reason, **found)
        await close(self.parts.database, self.application, self.row)

    async def _cancelled(self) -> None:
        # First the end: however slow a peer is, the run is cancelled within a second.
        await self.ledger.cancel()
        await close(self.parts.database, self.application, self.row)

    async def _until_cancelling(self) -> None:
        with self.parts.hints.bound(topic(self.row["id"]), heard := asyncio.Event()):
            while True:
                heard.clear()
                with suppress(Failure):  # a database that is away is asked again
                    if await self.ledger.status() == "STATUS_CANCELLING":
                        return
                await asyncio.sleep(_APART_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await heard.wait()

    async def _search(self) -> Hopeless | None:
        """Tries every trial; returns why the run failed, None when it did not."""
        space = await self._space()
        for row in await self.ledger.trials():
            self.tried.begun(row)
        self.ledger.spending.begin(self.tried.rows, await self.ledger.seconds_left())
        if self.bootstrapping.is_wanted:
            try:
                space = await self.bootstrapping.offered(space)
            except Fruitless as nothing:
                return Hopeless(nothing.words, nothing.error_class)
        await self._meet_the_front()
        for trial in self.tried.open.values():
            self.under_way.begin(space, trial)
        return await self._tried(space)

    async def _tried(self, space: Space) -> Hopeless | None:
        while True:
            if (why := await self._fill(space)) is not None:
                return why
            if self.under_way.running:
                await self.under_way.some_finish()
            elif not self.under_way.waiting:
                await self._look_behind(space)
                return None
            elif self.ledger.spending.reason:
                await self.under_way.cut()
            else:
                raise NoneCanGoOn(self.under_way.waiting.cause)

    async def _look_behind(self, space: Space) -> None:
        """Evaluates what is wanted behind the trials, of the one that is the best."""
        if (best := await self.repeats.best(space, self.tried.rows)) is not None:
            await self.look.take(space, self.tried.rows, best)
            await self.ablation.take(space, self.tried.rows, best)

    async def _meet_the_front(self) -> None:
        """Reads what each example gave the trials of the front that another worker saw: others race with them."""
        missing = self.ledger.race.unknown(await self.ledger.front()) if self.ledger.race.is_on else set()
        for number in sorted(missing):
            results = await results_of(self.application, self.row, str(self.tried.rows[number - 1]["evaluation_id"]))
            self.ledger.race.full(number, results)

    async def _fill(self, space: Space) -> Hopeless | None:
        """Begins trials while there is room; returns why it is hopeless, when it is."""
        spent = self.ledger.spending.reason
        if why := hopeless(self.row, self.tried, spent=bool(spent) or self.choosing.is_done):
            return why
        if reason := spent or self._enough():
            self.reason = reason
            return None
        self.under_way.call(space)
        for _ in range(self.under_way.room):
            try:
                trial = await self.choosing.next(space)
            except Exhausted:
                self.reason = "END_REASON_EXHAUSTED"
                return None
            except Unsatisfied as unsatisfied:
                # What runs is brought to its end first.
                told = f"no further configuration of the space was found: {unsatisfied}"
                return None if self.under_way.running else Hopeless(told)
            if trial is None:
                return None
            self.under_way.begin(space, trial)
        return None

    def _enough(self) -> str:
        """Returns why the run need not go on; what a dropped trial would have reached, it has not."""
        if not may_be_enough(self.row["limits"]):
            return ""
        ended = [
            replace(each, objectives=None) if self.tried.rows[each.number - 1]["status"] == _DROPPED else each
            for each in self.tried.finished
        ]
        return enough(self.row["limits"], self.choosing.suggesting.objectives, ended, self.row["inherited_trials"])

    async def _space(self) -> Space:
        request = GetVariableSpaceRequest(
            id=str(self.row["variable_space_id"]), revision=self.row["variable_space_revision"]
        )

        async def ask(caller: aio.Metadata) -> Space:
            found = await self.application.variables.GetVariableSpace(request, metadata=caller)
            return await offered(self.application, caller, self.row, space_of(found))

        return await asking(self.application, self.row, "variables", ask)
