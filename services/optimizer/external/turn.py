"""One client's turn at a run: its row locked, its open trials read, what is remembered of it at hand."""

import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1 import external_requests_pb2, run_event_pb2, trial_pb2

from framework.engine import Call
from framework.engine.calls import LONGEST_SECONDS
from framework.engine.reading import identifier_of
from framework.engine.writing import tell_many, told_of
from framework.errors import IllegalState, LeaseLost, NotFound, NotPermitted
from framework.failpoints import Failpoint
from framework.resource import spec_of
from framework.storage import Transaction, codec_of, transaction_time
from services.optimizer.enough import enough
from services.optimizer.external import space
from services.optimizer.resources import OptimizationRun, Trial, is_external
from services.optimizer.spending import is_limited, limit_reached, used_by
from services.optimizer.story import tell, topic
from services.optimizer.warm import Warm, WarmRuns

LEASE_SECONDS = 60
_LONG_SECONDS = 0.2
"""After how much work calls that wait together are no longer kept waiting for each other."""
WRITTEN = Failpoint("turn.written", "what clients told or asked for is written in a transaction that is not committed")
COMMITTED = Failpoint("turn.committed", "what clients told or asked for is committed, and none of them was answered")
_Event = run_event_pb2.RunEvent

# First the lock, so that what is read after it is what the turn before has left.
_LOCK = "SELECT 1 FROM optimization_runs WHERE organization_id = %(organization)s AND id = %(run)s FOR UPDATE"
_OPEN = """
SELECT *, lease_until <= clock_timestamp() AS ended,
       extract(epoch FROM lease_until - clock_timestamp())::float8 AS seconds
FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_RUNNING'
ORDER BY number
"""
_TAKE = """
UPDATE trials SET client = %(client)s, lock_version = lock_version + 1,
       lease_seconds = coalesce(nullif(%(seconds)s, 0), lease_seconds),
       lease_until = clock_timestamp() + make_interval(secs => coalesce(nullif(%(seconds)s, 0), lease_seconds))
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = ANY(%(numbers)s)
RETURNING *
"""
_END_OPEN = """
UPDATE trials SET status = 'STATUS_CANCELLED', completed_at = now()
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_RUNNING'
"""


@dataclass
class Turn:
    """What a turn has in hand; what it writes is committed when it ends."""

    call: Call
    tx: Transaction
    verb: str
    row: dict[str, Any]
    open: dict[int, dict[str, Any]]
    """The trials that are not finished, by number, in this order."""
    runs: WarmRuns
    is_news: bool = False
    """Whether something has happened that those who wait for the run should hear of."""

    @property
    def ids(self) -> dict[str, Any]:
        """The run's key, as statements name it."""
        return {"organization": self.row["organization_id"], "run": self.row["id"]}

    @property
    def status(self) -> str:
        """The run's status."""
        return str(self.row["status"])

    @property
    def most(self) -> int:
        """How many trials there may be, those of other runs included that it began with."""
        return int(self.row["max_trials"] + self.row["inherited_trials"])

    @property
    def finished(self) -> int:
        """How many trials have ended."""
        return int(self.row["completed_trials"] + self.row["failed_trials"] + self.row["dropped_trials"])

    @property
    def live(self) -> list[dict[str, Any]]:
        """The open trials whose clients still have them."""
        return [trial for trial in self.open.values() if not trial["ended"]]

    async def warm(self) -> Warm:
        """Returns what is remembered of the run, read where nothing is."""
        key = _key(self.row)
        warm = self.runs.get(key)
        if warm is None or not warm.fits(self.row):
            warm = Warm(self.row, await space.read(self.tx, self.row))
            self.runs.keep(key, warm)
        return warm

    def forget(self) -> None:
        """Forgets what is remembered of the run: something of it has changed that is not looked for."""
        self.runs.forget(_key(self.row))

    async def take(self, client: str, numbers: Sequence[int], seconds: int) -> list[dict[str, Any]]:
        """Gives open trials to a client, or leaves them with it; returns their rows.

        The lease is so long from now; as long as it was when nothing is said.
        """
        if not numbers:
            return []
        given = {"client": client, "numbers": list(numbers), "seconds": seconds}
        taken = sorted(await self.tx.fetch(_TAKE, self.ids | given), key=lambda trial: int(trial["number"]))
        for trial in taken:
            self.open[trial["number"]] |= trial | {"ended": False, "seconds": trial["lease_seconds"]}
        return taken

    def held(self, client: str, number: int, *, renewing: bool) -> dict[str, Any]:
        """Returns an open trial that a client has; raises LeaseLost when it has not, or has no more."""
        trial = self.open.get(number)
        if trial is None or trial["client"] != client:
            told = f"trial {number} is another client's" if trial else f"trial {number} is not open"
            raise LeaseLost(f"{told}: leave it, and ask for others", trial_number=str(number), lease="FOREIGN")
        if trial["ended"] and not renewing:
            told = f"the lease on trial {number} has ended: renew it with RenewTrials, then tell again"
            raise LeaseLost(told, trial_number=str(number), lease="ENDED")
        return trial

    async def spent(self) -> str:
        """Returns why no further trial is to be started, as the run's end reason has it; empty when one may be."""
        limits = self.row["limits"] or {}
        if is_limited(limits) and (reason := limit_reached(limits, await used_by(self.tx, self.row))):
            return reason
        if "target" in limits or limits.get("patience"):
            warm = await self.warm()
            await warm.learn(self.tx, self.finished)
            return enough(limits, warm.suggesting.objectives, warm.finished, self.row["inherited_trials"])
        return ""

    async def conclude(self, reason: str, *, open_counts: bool = False) -> bool:
        """Ends a run that has nothing more to start, once no client has a trial; returns whether it has.

        Where an open trial counts it is waited for until it is done, whoever does it; else as long as it is leased.
        """
        if self.status != "STATUS_RUNNING" or not reason or (self.open if open_counts else self.live):
            return False
        if self.row["completed_trials"] or not self.row["failed_trials"]:
            await self.end({"status": "STATUS_COMPLETED", "end_reason": reason})
        else:
            await self.end({"status": "STATUS_FAILED", "error": "every trial failed; look at their errors"})
        return True

    async def end(self, columns: Mapping[str, Any]) -> None:
        """Ends the run; trials that nobody finished are cancelled with it."""
        await self.tx.send(_END_OPEN, self.ids)
        ended = {**columns, "completed_at": transaction_time()}
        await self.call.update(OptimizationRun, str(self.row["id"]), ended, verb=self.verb, move="end")
        await self.say(_Event(type=_Event.TYPE_RUN_ENDED, error=columns.get("error", "")))
        self.row |= columns
        self.open.clear()

    async def say(self, *events: _Event) -> None:
        """Adds to the run's story."""
        if events:
            self.is_news = True
            await tell(self.tx, self.row, *events, fenced=False)

    async def tell_of(self, what: str, trials: Iterable[trial_pb2.Trial]) -> None:
        """Tells the audit trail of trials that were created or updated."""
        spec = spec_of(Trial)
        told = [told_of(spec, trial) for trial in trials]
        if told:
            await tell_many(self.tx, spec, self.call.context, what, told)

    def standing(self, spent: str = "") -> external_requests_pb2.RunStanding:
        """Returns where the run stands now."""
        row = self.row
        return external_requests_pb2.RunStanding(
            status=row["status"],
            end_reason=row["end_reason"],
            completed_trials=row["completed_trials"],
            failed_trials=row["failed_trials"],
            best_trial_id=str(row["best_trial_id"] or ""),
            should_stop=bool(spent) or self.status != "STATUS_RUNNING",
        )


def message(trial: Mapping[str, Any]) -> trial_pb2.Trial:
    """Returns a trial's row as its message."""
    made: trial_pb2.Trial = codec_of(spec_of(Trial)).message(trial)
    return made


def soonest(trials: Iterable[Mapping[str, Any]], most: int) -> int:
    """Returns in how many seconds, from 1 to `most`, the first of these leases ends."""
    return max(1, min([most, *(math.ceil(float(each["seconds"])) for each in trials)]))


Act = Callable[[Turn], Awaitable[Any]]


@dataclass(frozen=True)
class _Asked:
    """What a client's call wants to do in its turn."""

    call: Call
    verb: str
    act: Act


async def in_turn(call: Call, identifier: str, verb: str, act: Act) -> Any:
    """Returns what `act` makes of the client's turn; raises NotFound, NotPermitted, or IllegalState for another's run.

    Turns at one run are taken one after another. Those that wait in this process are taken in one transaction and
    committed at once, each under its own client's name; one that fails leaves nothing, and the others are taken again.
    """
    uuid = identifier_of(spec_of(OptimizationRun), identifier)
    key = call.context.organization_id, uuid
    runs: WarmRuns = call.application.warm
    asked = _Asked(call, verb, act)
    answer = await runs.portions.served(key, asked, partial(_taken, runs, key))
    await call.followed()
    return answer


async def _taken(runs: WarmRuns, key: tuple[Any, UUID], portion: Sequence[_Asked]) -> list[Any]:
    """Takes turns in one transaction, as many as there is time for, or none.

    What a failed turn may have left in memory is forgotten: its transaction was undone.
    """
    first = portion[0].call
    try:
        async with first.database.tenant(key[0], LONGEST_SECONDS) as tx:
            answers, is_news = await _answers(tx, runs, key, portion)
            WRITTEN()
    except BaseException:
        runs.forget(key)
        raise
    COMMITTED()
    runs.trim()
    if is_news:
        await first.engine.hints.publish(topic(key[1]))
    return answers


async def _answers(
    tx: Transaction, runs: WarmRuns, key: tuple[Any, UUID], portion: Sequence[_Asked]
) -> tuple[list[Any], bool]:
    """Returns the answers, and whether any of the turns brought news."""
    ids, began = {"organization": key[0], "run": key[1]}, time.monotonic()
    async with tx.together():
        await tx.send(_LOCK, ids)
        opened = await tx.ask(_OPEN, ids)
    row: dict[str, Any] = {}
    open_trials: dict[int, dict[str, Any]] = {}
    permitted, answers, turns = set(), list[Any](), list[Turn]()
    for asked in portion:
        async with asked.call.within(tx):
            if (who := (asked.call.actor, asked.verb)) not in permitted:
                try:
                    row |= await _permitted(asked, str(key[1]))
                except (NotFound, NotPermitted, IllegalState) as refused:  # it holds nobody up who waits with it
                    answers.append(refused)
                    continue
                permitted.add(who)
            if not turns:
                open_trials |= {trial["number"]: trial for trial in await tx.answer(opened)}
            turns.append(Turn(asked.call, tx, asked.verb, row, open_trials, runs))
            answers.append(await asked.act(turns[-1]))
        if time.monotonic() - began > _LONG_SECONDS:
            break  # the first of them has waited for its answer long enough: the rest are the next portion
    return answers, any(each.is_news for each in turns)


async def _permitted(asked: _Asked, identifier: str) -> dict[str, Any]:
    row = await asked.call.row(OptimizationRun, identifier, asked.verb)
    if not is_external(row):
        told = "this run is evaluated by the platform: create it with EVALUATOR_EXTERNAL to evaluate it yourself"
        raise IllegalState(told, evaluator=row["evaluator"])
    return row


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["organization_id"], row["id"]
