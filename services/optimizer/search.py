"""One run's search: suggest, evaluate, note, until the trials are spent, the run is cancelled or its grant is lost."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest

from domain.sampling import Unsatisfied
from domain.space import Space
from domain.strategies import Exhausted, Observation
from framework.errors import DependencyUnavailable, Failure, GrantLost
from framework.failpoints import Failpoint
from framework.rpc.assembly import Parts
from framework.rpc.channels import as_caller
from framework.storage import Leases
from framework.tasks import stopped
from services.optimizer.ablating import Ablation
from services.optimizer.application import Application
from services.optimizer.asides import Asides
from services.optimizer.closing import close
from services.optimizer.enough import enough
from services.optimizer.evaluating import Outcome, cancel, ended, evaluate, granted, pause, results_of
from services.optimizer.holding_out import LastLook
from services.optimizer.ledger import LEASE_SECONDS, Ledger
from services.optimizer.origins import COPIED, Origin, batch_before, original, planned, repeated, to_retry
from services.optimizer.prompts import offered, parameters
from services.optimizer.repeating import Repeats
from services.optimizer.spaces import space_of
from services.optimizer.story import topic
from services.optimizer.suggesting import Suggesting, again, observed
from services.optimizer.waiting import NoneCanGoOn, WaitingRoom

_HOPELESS_AFTER = 5
_FINISHED = ("STATUS_COMPLETED", "STATUS_FAILED", "STATUS_DROPPED")
_LOOK_SECONDS = 0.25
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
        self.synchronous = row["schedule"] == "SCHEDULE_SYNCHRONOUS"
        self.running: dict[asyncio.Task[Outcome], dict[str, Any]] = {}
        self.waiting = WaitingRoom(row["parallelism"])
        self.reason = "END_REASON_TRIALS"
        self.asides = Asides(application, self.ledger, row)
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

    async def _identity(self) -> Any:
        return as_caller(await self.application.tokens.exchange(self.grant))

    async def _until_cancelling(self) -> None:
        while True:
            with suppress(Failure):  # a database that is away is asked again
                if await self.ledger.status() == "STATUS_CANCELLING":
                    return
            await self.parts.hints.wait(topic(self.row["id"]), _LOOK_SECONDS)

    async def _search(self) -> Hopeless | None:
        """Tries every trial; returns why the run failed, None when it did not."""
        space = await self._space()
        self.ledger.spending.begin(await self.ledger.trials(), await self.ledger.seconds_left())
        await self._meet_the_front()
        for trial in await self.ledger.trials("STATUS_RUNNING"):
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
                trials = await self.ledger.trials()
                if (best := await self.repeats.best(space, trials)) is not None:
                    await self.look.take(space, trials, best)
                    await self.ablation.take(space, trials, best)
                return None
            await self._some_finish()

    async def _meet_the_front(self) -> None:
        """Reads what each example gave the trials of the front that another worker saw: others race with them."""
        missing = self.ledger.race.unknown(await self.ledger.front()) if self.ledger.race.is_on else set()
        for trial in await self.ledger.trials("STATUS_COMPLETED") if missing else []:
            if trial["number"] in missing:
                results = await results_of(self.application, self.row, str(trial["evaluation_id"]))
                self.ledger.race.full(trial["number"], results)

    async def _fill(self, space: Space) -> Hopeless | None:
        """Starts trials while there is room; returns why it is hopeless, when it is."""
        trials = await self.ledger.trials()
        if why := self._hopeless(trials):
            return why
        if reason := self.ledger.spending.reason or self._enough(trials):
            self.reason = reason
            return None
        for called in self.waiting.called(self.row["parallelism"] - len(self.running)):
            self._launch(space, called)
        for _ in range(self._room(len(trials))):
            try:
                trial = await self._next(space, trials)
            except Exhausted:
                self.reason = "END_REASON_EXHAUSTED"
                return None
            except Unsatisfied as unsatisfied:
                # What runs is brought to its end first.
                told = f"no further configuration of the space was found: {unsatisfied}"
                return None if self.running else Hopeless(told)
            if trial is None:
                return None
            trials.append(trial)
            self._launch(space, trial)
        return None

    async def _next(self, space: Space, trials: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Writes down the next trial: what failed before the run was retried, then new ones; None behind the last."""
        if (failed := to_retry(trials, self.row["retried_trials"])) is not None:
            return await self.ledger.begin(
                again(failed, len(trials) + 1),
                failed["informed_by"] or [],
                failed["pending_then"] or [],
                Origin("ORIGIN_RETRIED", failed["number"], repeat=failed["repeat"]),
            )
        return await self._suggested(space, trials) if planned(trials) < self.row["max_trials"] else None

    def _enough(self, trials: Sequence[dict[str, Any]]) -> str:
        """Returns why the run need not go on; what a dropped trial would have reached, it has not."""
        ended = [
            Observation(t["number"], {}, t["objectives"] if t["status"] == "STATUS_COMPLETED" else None)
            for t in trials
            if t["status"] in _FINISHED
        ]
        return enough(self.row["limits"], self.suggesting.objectives, ended, self.row["inherited_trials"])

    def _hopeless(self, trials: Sequence[dict[str, Any]]) -> Hopeless | None:
        # What failed before the run was retried is tried again, and that others could do it says nothing.
        own = [t for t in trials if t["number"] > self.row["inherited_trials"]]
        if any(t["status"] == "STATUS_COMPLETED" for t in own):
            return None
        tried = [t for t in own if t["number"] > self.row["retried_trials"]]
        failed = [t for t in tried if t["status"] == "STATUS_FAILED"]
        left = planned(trials) < self.row["max_trials"] or to_retry(trials, self.row["retried_trials"]) is not None
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
                await self.ledger.finish(trial, outcome.final())
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
        spent = self.ledger.spending.reason.removeprefix("END_REASON_").lower().replace("_", " ")
        for trial in cut:
            usage = self.ledger.spending.of(trial["id"])
            error = f"stopped: the run's limit of {spent} was reached"
            outcome = Outcome({}, error, "ERROR_CLASS_BUDGET", usage.metric_calls, trial["example_count"], usage)
            await self.ledger.finish(trial, outcome)
        await asyncio.gather(*(self._cancel_evaluation(trial) for trial in cut))

    async def _suggested(self, space: Space, trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Chooses the next configuration and writes it down with what informed it, before it is used."""
        finished, pending = self._informing(trials)
        known, waiting = [observed(t) for t in finished], [t["configuration"] for t in pending]
        suggestion = await self.suggesting.next(space, len(trials) + 1, known, waiting)
        SUGGESTED()
        informed = [t["number"] for t in finished], [t["number"] for t in pending]
        if self.row["repeats"] is not None:
            return await self.ledger.begin(suggestion, *informed, repeated(trials, suggestion.content_hash))
        if (same := original(trials, suggestion.content_hash)) is not None:
            origin = Origin(COPIED, same["number"], same["evaluation_id"])
            return await self.ledger.begin(suggestion, *informed, origin)
        return await self.ledger.begin(suggestion, *informed)

    def _informing(self, trials: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Returns the finished and the pending trials that a suggestion may know of; whole batches when synchronous."""
        if self.synchronous:
            before = batch_before(len(trials) + 1, self.row["parallelism"], self.row["inherited_trials"])
            return list(trials[:before]), list(trials[before:])
        finished = [t for t in trials if t["status"] in _FINISHED]
        return finished, [t for t in trials if t["status"] == "STATUS_RUNNING"]

    def _launch(self, space: Space, trial: dict[str, Any]) -> None:
        tried = trial | {"configuration": parameters(space, trial["configuration"])}
        ending = evaluate(self.application, self.ledger, self.row, tried)
        if trial["origin"] == COPIED:
            ending.close()
            ending = self._copied(trial)
        self.running[asyncio.create_task(ending)] = trial

    async def _copied(self, trial: dict[str, Any]) -> Outcome:
        """Returns how the trial ends that this one is a copy of, at no cost."""
        number = trial["origin_trial_number"]
        for task in [each for each, other in self.running.items() if other["number"] == number]:
            return (await asyncio.shield(task)).copied()
        return ended((await self.ledger.trials())[number - 1]).copied()

    async def _space(self) -> Space:
        request = GetVariableSpaceRequest(
            id=str(self.row["variable_space_id"]), revision=self.row["variable_space_revision"]
        )
        while True:
            try:
                with granted("variables"):
                    identity = await self._identity()
                    found = await self.application.variables.GetVariableSpace(request, metadata=identity)
                    return await offered(self.application, identity, self.row, space_of(found))
            except DependencyUnavailable:
                await asyncio.sleep(0.5)
