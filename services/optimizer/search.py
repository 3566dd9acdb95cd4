"""One run's search: suggest, evaluate, note, until the trials are spent, the run is cancelled or its grant is lost."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest
from grpc import aio

from domain.sampling import Unsatisfied
from domain.space import Space
from domain.strategies import Exhausted, Observation
from framework.errors import Failure, GrantLost
from framework.failpoints import Failpoint
from framework.rpc.assembly import Parts
from framework.storage import Leases
from framework.tasks import stopped
from services.optimizer.ablating import Ablation
from services.optimizer.application import Application
from services.optimizer.asides import Asides
from services.optimizer.bootstrapping import Bootstrapping, Fruitless
from services.optimizer.closing import close
from services.optimizer.enough import enough, may_be_enough
from services.optimizer.evaluating import Outcome, asking, cancel, ended, evaluate, pause, results_of
from services.optimizer.holding_out import LastLook
from services.optimizer.ledger import LEASE_SECONDS, Ledger
from services.optimizer.origins import COPIED, Origin, batch_before, to_retry
from services.optimizer.prompts import offered, parameters
from services.optimizer.repeating import Repeats
from services.optimizer.spaces import space_of
from services.optimizer.story import topic
from services.optimizer.suggesting import Suggesting, again
from services.optimizer.tried import Tried
from services.optimizer.waiting import NoneCanGoOn, WaitingRoom

_HOPELESS_AFTER = 5
_DROPPED = "STATUS_DROPPED"
_LOOK_SECONDS, _APART_SECONDS = 0.25, 0.1
"""How long to wait for a hint before the next look, and how far apart looks are: its own writes are hinted at, too."""
SUGGESTED = Failpoint("trial.suggested", "a configuration is chosen, and not written down")
MEASURED = Failpoint("trial.measured", "a trial's evaluation has ended, and the trial has not")


@dataclass(frozen=True)
class Hopeless:
    """Why a run cannot go on."""

    words: str
    error_class: str = "ERROR_CLASS_UNSPECIFIED"


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
        self.grant = str(row["grant_id"])
        self.suggesting = Suggesting(row)
        self.tried = Tried()
        self.synchronous = row["schedule"] == "SCHEDULE_SYNCHRONOUS"
        self.running: dict[asyncio.Task[Outcome], dict[str, Any]] = {}
        self.waiting = WaitingRoom(row["parallelism"])
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

    async def _stop(self, *tasks: "asyncio.Task[Any]") -> None:
        await stopped(tasks)
        await stopped(list(self.running))

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

    async def rest(self) -> None:
        """Pauses the evaluations of a run that is paused, best effort: it is not this worker's any more."""
        with suppress(Failure):
            if await self.ledger.is_paused():
                running = [*await self.ledger.trials("STATUS_RUNNING"), *self.asides.unfinished]
                await asyncio.gather(*(self._pause_evaluation(trial) for trial in running))

    async def _pause_evaluation(self, trial: dict[str, Any]) -> None:
        with suppress(Failure):
            token = await self.application.tokens.exchange(self.grant)
            await pause(self.application, token, str(trial["evaluation_id"]))

    async def _cancel_evaluation(self, trial: dict[str, Any]) -> None:
        with suppress(Failure):
            token = await self.application.tokens.exchange(self.grant)
            await cancel(self.application, token, str(trial["evaluation_id"]))

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
        self.tried = Tried(await self.ledger.trials())
        self.ledger.spending.begin(self.tried.rows, await self.ledger.seconds_left())
        if self.bootstrapping.is_wanted:
            try:
                space = await self.bootstrapping.offered(space)
            except Fruitless as nothing:
                return Hopeless(nothing.words, nothing.error_class)
        await self._meet_the_front()
        for trial in self.tried.open.values():
            self._launch(space, trial)
        while True:
            hopeless = await self._fill(space)
            if hopeless:
                return hopeless
            if self.waiting and not self.running:
                if self.ledger.spending.reason:
                    await self._cut()
                    continue
                raise NoneCanGoOn(self.waiting.cause)
            if not self.running:
                if (best := await self.repeats.best(space, self.tried.rows)) is not None:
                    await self.look.take(space, self.tried.rows, best)
                    await self.ablation.take(space, self.tried.rows, best)
                return None
            await self._some_finish()

    async def _meet_the_front(self) -> None:
        """Reads what each example gave the trials of the front that another worker saw: others race with them."""
        missing = self.ledger.race.unknown(await self.ledger.front()) if self.ledger.race.is_on else set()
        for number in sorted(missing):
            results = await results_of(self.application, self.row, str(self.tried.rows[number - 1]["evaluation_id"]))
            self.ledger.race.full(number, results)

    async def _fill(self, space: Space) -> Hopeless | None:
        """Starts trials while there is room; returns why it is hopeless, when it is."""
        if why := self._hopeless():
            return why
        if reason := self.ledger.spending.reason or self._enough():
            self.reason = reason
            return None
        for called in self.waiting.called(self.row["parallelism"] - len(self.running)):
            self._launch(space, called)
        for _ in range(self._room(len(self.tried))):
            try:
                trial = await self._next(space)
            except Exhausted:
                self.reason = "END_REASON_EXHAUSTED"
                return None
            except Unsatisfied as unsatisfied:
                # What runs is brought to its end first.
                told = f"no further configuration of the space was found: {unsatisfied}"
                return None if self.running else Hopeless(told)
            if trial is None:
                return None
            self.tried.begun(trial)
            self._launch(space, trial)
        return None

    async def _next(self, space: Space) -> dict[str, Any] | None:
        """Writes down the next trial: what failed before the run was retried, then new ones; None behind the last."""
        if (failed := self._to_retry()) is not None:
            return await self.ledger.begin(
                again(failed, len(self.tried) + 1),
                failed["informed_count"],
                failed["pending_then"] or [],
                Origin("ORIGIN_RETRIED", failed["number"], repeat=failed["repeat"]),
            )
        return await self._suggested(space) if self.tried.planned < self.row["max_trials"] else None

    def _to_retry(self) -> Mapping[str, Any] | None:
        return to_retry(self.tried.rows, self.row["retried_trials"])

    def _enough(self) -> str:
        """Returns why the run need not go on; what a dropped trial would have reached, it has not."""
        if not may_be_enough(self.row["limits"]):
            return ""
        ended = [
            replace(each, objectives=None) if self.tried.rows[each.number - 1]["status"] == _DROPPED else each
            for each in self.tried.finished
        ]
        return enough(self.row["limits"], self.suggesting.objectives, ended, self.row["inherited_trials"])

    def _hopeless(self) -> Hopeless | None:
        # What failed before the run was retried is tried again, and that others could do it says nothing.
        own = self.tried.rows[self.row["inherited_trials"] :]
        if any(t["status"] == "STATUS_COMPLETED" for t in own):
            return None
        tried = [t for t in own if t["number"] > self.row["retried_trials"]]
        failed = [t for t in tried if t["status"] == "STATUS_FAILED"]
        left = self.tried.planned < self.row["max_trials"] or self._to_retry() is not None
        spent = not left or bool(self.ledger.spending.reason)
        if failed and (len(failed) >= _HOPELESS_AFTER or (spent and len(failed) == len(tried))):
            return Hopeless(failed[-1]["error"], failed[-1]["error_class"])
        return None

    def _room(self, count: int) -> int:
        """Returns how many trials may start; a synchronous run starts whole batches, and completes a torn one."""
        batch: int = self.row["parallelism"]
        if self.synchronous:
            return (self.row["inherited_trials"] - count) % batch or (0 if self.running or self.waiting else batch)
        return 0 if self.waiting.is_full else batch - len(self.running)

    async def _some_finish(self) -> None:
        how = asyncio.ALL_COMPLETED if self.synchronous else asyncio.FIRST_COMPLETED
        finishing = asyncio.create_task(asyncio.wait(self.running, return_when=how, timeout=self.waiting.seconds_left))
        spending = asyncio.create_task(self.ledger.spending.until_spent())
        try:
            await asyncio.wait([finishing, spending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stopped([finishing, spending])
        await self._keep([task for task in self.running if task.done()])
        if self.ledger.spending.reason:
            await self._cut()

    async def _keep(self, done: Sequence["asyncio.Task[Outcome]"]) -> None:
        # What is finished is kept before it matters that another trial has lost the grant.
        for task in sorted(done, key=lambda each: (each.exception() is not None, self.running[each]["number"])):
            trial, outcome = self.running[task], task.result()
            MEASURED()
            if outcome.waits_for and self.waiting.enter(trial, outcome):
                await self.ledger.waiting(trial, outcome.waits_for)
            else:
                self.tried.ended(await self.ledger.finish(trial, outcome.final()))
            del self.running[task]
            if outcome.lost_to:
                await self._cancel_evaluation(trial)

    async def _cut(self) -> None:
        """Stops the trials that run, since nothing is left to spend; what they used is noted with them."""
        await stopped(list(self.running))
        await self._keep([task for task in self.running if not task.cancelled()])
        cut, self.running = [*self.running.values(), *self.waiting.emptied()], {}
        # Not cancelled before it is written down: whoever took the run over would find that they failed by themselves.
        await asyncio.gather(*(self._pause_evaluation(trial) for trial in cut))
        error = f"stopped: the run's limit of {self.ledger.spending.limit} was reached"
        for trial in cut:
            usage = self.ledger.spending.of(trial["id"])
            outcome = Outcome({}, error, "ERROR_CLASS_BUDGET", usage.metric_calls, trial["example_count"], usage)
            self.tried.ended(await self.ledger.finish(trial, outcome))
        await asyncio.gather(*(self._cancel_evaluation(trial) for trial in cut))

    async def _suggested(self, space: Space) -> dict[str, Any]:
        """Chooses the next configuration and writes it down with what informed it, before it is used."""
        finished, pending = self._informing()
        number, waiting = len(self.tried) + 1, [t["configuration"] for t in pending]
        suggestion = await self.suggesting.next(space, number, finished, waiting)
        SUGGESTED()
        informed = len(finished), [t["number"] for t in pending]
        if self.row["repeats"] is not None:
            return await self.ledger.begin(suggestion, *informed, self.tried.repeated(suggestion.content_hash))
        if (same := self.tried.original(suggestion.content_hash)) is not None:
            origin = Origin(COPIED, same["number"], same["evaluation_id"])
            return await self.ledger.begin(suggestion, *informed, origin)
        return await self.ledger.begin(suggestion, *informed)

    def _informing(self) -> tuple[list[Observation], list[dict[str, Any]]]:
        """Returns the finished and the pending trials that a suggestion may know of; whole batches when synchronous."""
        if self.synchronous:
            number, inherited = len(self.tried) + 1, self.row["inherited_trials"]
            return self.tried.until(batch_before(number, self.row["parallelism"], inherited))
        return list(self.tried.finished), list(self.tried.open.values())

    def _launch(self, space: Space, trial: dict[str, Any]) -> None:
        ending = self._copied(trial) if trial["origin"] == COPIED else self._evaluated(space, trial)
        self.running[asyncio.create_task(ending)] = trial

    async def _evaluated(self, space: Space, trial: dict[str, Any]) -> Outcome:
        """Returns how a trial ends that is evaluated for itself."""
        tried = trial | {"configuration": parameters(space, trial["configuration"])}
        return await evaluate(self.application, self.ledger, self.row, tried)

    async def _copied(self, trial: dict[str, Any]) -> Outcome:
        """Returns how the trial ends that this one is a copy of, at no cost."""
        number = trial["origin_trial_number"]
        for task in [each for each, other in self.running.items() if other["number"] == number]:
            return (await asyncio.shield(task)).copied()
        return ended(self.tried.rows[number - 1]).copied()

    async def _space(self) -> Space:
        request = GetVariableSpaceRequest(
            id=str(self.row["variable_space_id"]), revision=self.row["variable_space_revision"]
        )

        async def ask(caller: aio.Metadata) -> Space:
            found = await self.application.variables.GetVariableSpace(request, metadata=caller)
            return await offered(self.application, caller, self.row, space_of(found))

        return await asking(self.application, self.row, "variables", ask)
