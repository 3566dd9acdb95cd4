"""One client's turn at a run: its row locked, its open trials read, what is remembered of it at hand."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1 import external_requests_pb2, run_event_pb2, trial_pb2

from framework.engine import Call
from framework.engine.writing import tell_many, told_of
from framework.errors import LeaseLost
from framework.resource import spec_of
from framework.storage import Transaction, codec_of, transaction_time
from services.optimizer.as_left import Clock
from services.optimizer.enough import enough, may_be_enough
from services.optimizer.external import space
from services.optimizer.origins import COPIED
from services.optimizer.resources import OptimizationRun, Trial
from services.optimizer.run_changes import NO_CHANGES, Changes
from services.optimizer.spending import Usage, is_limited, limit_reached, seconds_of, shares_of
from services.optimizer.story import tell, warned
from services.optimizer.telling import nearly_reached
from services.optimizer.warm import Warm, WarmRuns

LEASE_SECONDS = 60
USED = ("metric_calls", "tokens", "cost_micros")
"""What clients tell that they used."""
_Event = run_event_pb2.RunEvent

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
    clock: Clock
    is_news: bool = False
    """Whether something has happened that those who wait for the run should hear of."""
    is_foreseen: bool = True
    """Whether the row and the open trials are here what they are in the database by now, down to their versions."""

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
    def out(self) -> list[dict[str, Any]]:
        """The open trials that clients have or may have: those that are copies wait for their originals."""
        return [trial for trial in self.open.values() if trial["origin"] != COPIED]

    @property
    def totals(self) -> run_event_pb2.RunTotals:
        """What the run has come to by now."""
        counts = {name: self.row[name] for name in ("completed_trials", "failed_trials", "dropped_trials")}
        used = {name: self.row[f"told_{name}"] for name in USED}
        return run_event_pb2.RunTotals(**counts, **used)

    @property
    def live(self) -> list[dict[str, Any]]:
        """The open trials whose clients still have them."""
        return [trial for trial in self.out if not trial["ended"]]

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
        if is_limited(limits) and (reason := limit_reached(limits, await self._used(limits))):
            return reason
        if may_be_enough(limits):
            warm = await self.warm()
            await warm.learn(self.tx, self.finished)
            return enough(limits, warm.suggesting.objectives, warm.finished, self.row["inherited_trials"])
        return ""

    async def _used(self, limits: Mapping[str, Any]) -> dict[str, float]:
        used = {name: self.row[f"told_{name}"] for name in USED}
        return used | {"seconds": await seconds_of(self.tx, self.row) if limits.get("seconds") else 0.0}

    async def spend(self, used: Usage) -> None:
        """Counts what clients told that they used."""
        added = {f"told_{name}": more for name, more in used.columns.items() if more}
        if added:
            await (await self.warm()).results.keep(self.tx, added, {})
            self.row["lock_version"] += 1
        for name, more in added.items():
            self.row[name] += more

    async def warnings(self) -> list[_Event]:
        """Returns what is to be told of limits that are nearly reached, each once, whoever told it."""
        limits = self.row["limits"] or {}
        if not is_limited(limits):
            return []
        warm = await self.warm()
        shares = list(shares_of(limits, await self._used(limits)))
        near = list(nearly_reached(shares, warm.warned))
        if near:
            warm.warned |= await warned(self.tx, self.row)
            near = list(nearly_reached(shares, warm.warned))
            warm.warned |= {each.limit for each in near}
        return near

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
        self.is_foreseen = False
        await self.call.update(OptimizationRun, str(self.row["id"]), ended, verb=self.verb, move="end")
        await self.say(_Event(type=_Event.TYPE_RUN_ENDED, error=columns.get("error", "")))
        self.row |= columns
        self.open.clear()

    async def say(self, *events: _Event, changing: Changes = NO_CHANGES) -> None:
        """Adds to the run's story, and changes its row with that."""
        if events:
            self.is_news = True
            await tell(self.tx, self.row, *events, fenced=False, changing=changing)
            self.row["last_sequence"] += len(events)
            self.row["lock_version"] += bool(changing.sql)

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


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["organization_id"], row["id"]
