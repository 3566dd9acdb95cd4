"""The trials of a run that are under way: evaluated as they are written down, kept as they end, stopped with it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from domain.space import Space
from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.tasks import stopped
from services.optimizer.application import Application
from services.optimizer.evaluating import cancel, evaluate, pause
from services.optimizer.ledger import Ledger
from services.optimizer.origins import COPIED
from services.optimizer.outcomes import Outcome, ended
from services.optimizer.prompts import parameters
from services.optimizer.tried import Tried
from services.optimizer.waiting import WaitingRoom

MEASURED = Failpoint("trial.measured", "a trial's evaluation has ended, and the trial has not")
Row = dict[str, Any]


class UnderWay:
    """Evaluates the trials of one run; those for which no model answers wait, and are called again."""

    def __init__(self, application: Application, ledger: Ledger, row: Row, tried: Tried) -> None:
        self.application = application
        self.ledger = ledger
        self.row = row
        self.tried = tried
        self.synchronous = row["schedule"] == "SCHEDULE_SYNCHRONOUS"
        self.running: dict[asyncio.Task[Outcome], Row] = {}
        self.waiting = WaitingRoom(row["parallelism"])

    @property
    def room(self) -> int:
        """How many trials may begin; a synchronous run begins whole batches, and completes a torn one."""
        batch: int = self.row["parallelism"]
        if self.synchronous:
            torn = (self.row["inherited_trials"] - len(self.tried)) % batch
            return torn or (0 if self.running or self.waiting else batch)
        return 0 if self.waiting.is_full else batch - len(self.running)

    def begin(self, space: Space, trial: Row) -> None:
        """Has a trial evaluated, or waits for the one that it is a copy of."""
        ending = self._copied(trial) if trial["origin"] == COPIED else self._evaluated(space, trial)
        self.running[asyncio.create_task(ending)] = trial

    def call(self, space: Space) -> None:
        """Begins those again that have waited long enough, as far as there is room."""
        for called in self.waiting.called(self.row["parallelism"] - len(self.running)):
            self.begin(space, called)

    async def some_finish(self) -> None:
        """Keeps what has finished once something has; stops all of them when nothing is left to spend."""
        how = asyncio.ALL_COMPLETED if self.synchronous else asyncio.FIRST_COMPLETED
        finishing = asyncio.create_task(asyncio.wait(self.running, return_when=how, timeout=self.waiting.seconds_left))
        spending = asyncio.create_task(self.ledger.spending.until_spent())
        try:
            await asyncio.wait([finishing, spending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stopped([finishing, spending])
        await self._keep([task for task in self.running if task.done()])
        if self.ledger.spending.reason:
            await self.cut()

    async def cut(self) -> None:
        """Stops the trials, since nothing is left to spend; what they used is noted with them."""
        await self.stop()
        await self._keep([task for task in self.running if not task.cancelled()])
        left, self.running = [*self.running.values(), *self.waiting.emptied()], {}
        # Not cancelled before it is written down: whoever took the run over would find that they failed by themselves.
        await self.pause(left)
        error = f"stopped: the run's limit of {self.ledger.spending.limit} was reached"
        for trial in left:
            usage = self.ledger.spending.of(trial["id"])
            outcome = Outcome({}, error, "ERROR_CLASS_BUDGET", usage.metric_calls, trial["example_count"], usage)
            self.tried.ended(await self.ledger.finish(trial, outcome))
        await self._cancel(left)

    async def stop(self) -> None:
        """Stops to follow what is evaluated; nothing of it is written."""
        await stopped(list(self.running))

    async def pause(self, trials: Iterable[Mapping[str, Any]]) -> None:
        """Pauses the evaluations of trials, best effort."""
        await asyncio.gather(*(self._have(pause, each) for each in trials))

    async def _cancel(self, trials: Iterable[Mapping[str, Any]]) -> None:
        await asyncio.gather(*(self._have(cancel, each) for each in trials))

    async def _have(self, done: Callable[[Application, str, str], Awaitable[None]], trial: Mapping[str, Any]) -> None:
        with suppress(Failure):
            token = await self.application.tokens.exchange(str(self.row["grant_id"]))
            await done(self.application, token, str(trial["evaluation_id"]))

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
                await self._cancel([trial])

    async def _evaluated(self, space: Space, trial: Row) -> Outcome:
        """Returns how a trial ends that is evaluated for itself."""
        tried = trial | {"configuration": parameters(space, trial["configuration"])}
        return await evaluate(self.application, self.ledger, self.row, tried)

    async def _copied(self, trial: Row) -> Outcome:
        """Returns how the trial ends that this one is a copy of, at no cost."""
        number = trial["origin_trial_number"]
        for task in [each for each, other in self.running.items() if other["number"] == number]:
            return (await asyncio.shield(task)).copied()
        return ended(self.tried.rows[number - 1]).copied()
