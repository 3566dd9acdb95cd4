"""The books of one run: every write is fenced, told in the run's story, and committed with what it tells."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ashgrove.optimizer.v1 import optimization_run_pb2, run_event_pb2
from ashgrove.optimizer.v1.bootstrap_pb2 import BootstrapResult
from ashgrove.optimizer.v1.repeats_pb2 import RepeatedTrial, RepeatsResult
from google.protobuf.message import Message
from psycopg.types.json import Jsonb

from framework.call import Context, service_actor
from framework.engine import Call
from framework.engine.writing import tell_many, told_of
from framework.errors import WriteConflict
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.plain import plain
from framework.resource import spec_of
from framework.rpc.assembly import Parts
from framework.storage import Leases, Transaction, codec_of, from_now, increment
from framework.storage.database import as_json
from framework.structs import struct_of
from services.optimizer.application import SERVICE
from services.optimizer.objectives import aggregations_of
from services.optimizer.origins import SUGGESTED, Origin
from services.optimizer.pausing import paused
from services.optimizer.racing import Race
from services.optimizer.resources import ENDED, OptimizationRun, Trial
from services.optimizer.results import Results, about, best_of_run
from services.optimizer.spending import Spending, Usage, seconds_of
from services.optimizer.story import Fenced, latest, tell, topic, warned
from services.optimizer.suggesting import Suggestion
from services.optimizer.telling import descend, nearly_reached, step, totals
from services.optimizer.trial_rows import BEGIN, FINISH

if TYPE_CHECKING:
    from services.optimizer.evaluating import Outcome

_Event = run_event_pb2.RunEvent
_Run = optimization_run_pb2.OptimizationRun
LEASE_SECONDS = 8.0
WAIT_SECONDS, LONGEST_WAIT_SECONDS = 10.0, 300.0
"""How long a run rests at first when no model answers, and at most."""
_TOLD_GOING = ("TYPE_RUN_RESUMED", "TYPE_RUN_EXTENDED", "TYPE_RUN_RETRIED")
"""What is told by whoever lets a run go on, so that the worker need not."""
BEGUN = Failpoint("trial.begun", "a trial is written down, and its evaluation not asked for")
TOLD = Failpoint("trial.told", "a trial's progress is told, and what came since is not")
FINISHED = Failpoint("trial.finished", "a trial has ended, and nothing follows from it yet")
ENDED_ALONE = Failpoint("run.ended", "a run has ended, and neither its grant nor what is still evaluated for it")
_NO_DEADLINE = float("inf")


class _Written(NamedTuple):
    """What a transaction has in hand that has written a trial."""

    call: Call
    tx: Transaction
    run: dict[str, Any]
    """The run's row as it is, locked."""
    trial: dict[str, Any]


class Ledger:
    """Writes a run's state under its lease; a late worker's write raises Fenced and changes nothing."""

    def __init__(self, parts: Parts, leases: Leases, row: dict[str, Any], lease_seconds: float = LEASE_SECONDS) -> None:
        self.parts = parts
        self.leases = leases
        self.row = row
        self.lease_seconds = lease_seconds
        self.id = str(row["id"])
        self._ids = {"organization": row["organization_id"], "run": row["id"]}
        self.results = Results(row)
        self.spending = Spending(row["limits"])
        self._warned: set[str] = set()
        self.race = Race(row, self.results.objectives, aggregations_of(row))
        actor = service_actor(SERVICE, row["organization_id"])
        self.context = Context(actor, "RunOptimization", f"run-{self.id}", _NO_DEADLINE)

    @asynccontextmanager
    async def _fenced(self) -> AsyncIterator[tuple[Call, Transaction]]:
        """Opens a transaction that holds the run's row, and hints at the change once it is committed."""
        call = self.parts.engine.call(self.context)
        async with call.transaction() as tx:
            if not await self.leases.extend(tx, self.row, self.lease_seconds):
                raise Fenced
            yield call, tx
        await self.parts.hints.publish(topic(self.id))

    @asynccontextmanager
    async def _written(self, sql: str, params: dict[str, Any]) -> AsyncIterator[_Written]:
        """Does the same, for a trial: what writes it leaves together with what holds the run's row.

        Where the lease is lost nothing stays of it.
        """
        call = self.parts.engine.call(self.context)
        async with call.transaction() as tx:
            async with tx.together():
                holding = await self.leases.ask(tx, self.row, self.lease_seconds)
                writing = await tx.ask(sql, self._ids | params)
            held = await tx.answer(holding)
            if not held:
                raise Fenced
            rows = await tx.answer(writing)
            if not rows:
                raise WriteConflict("the trial has ended already")
            yield _Written(call, tx, held[0], rows[0])
        await self.parts.hints.publish(topic(self.id))

    async def _tell(self, call: Call, tx: Transaction, what: str, trial: Mapping[str, Any], *events: _Event) -> None:
        """Tells of a trial in the audit trail, and in the story of the run, whose row is held; it is not waited for."""
        spec = spec_of(Trial)
        await tell_many(tx, spec, call.context, what, [told_of(spec, codec_of(spec).message(trial))])
        await tell(tx, self.row, *events, fenced=False)

    async def start(self) -> None:
        """Notes that a worker has the run: the first, or one that took over; raises Fenced when it was cancelled."""
        first = self.row["started_at"] is None
        async with self._fenced() as (call, tx):
            # The row is locked now; between the claim and here it may have been cancelled, or paused by hand.
            row = await call.row(OptimizationRun, self.id)
            if row["status"] in ENDED or (row["status"] == "STATUS_PAUSED" and row["resumes_at"] is None):
                raise Fenced
            if row["status"] == "STATUS_PAUSED":
                await call.update(OptimizationRun, self.id, {"error": "", "resumes_at": None}, move="wake")
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_RESUMED))
            elif first:
                now = await _now(tx)
                await call.update(OptimizationRun, self.id, {"started_at": now}, move="start")
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_STARTED))
                return
            self._warned = await warned(tx, self.row)
            if await latest(tx, self.row) not in _TOLD_GOING:
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_TAKEN_OVER))

    def _warnings(self) -> list[_Event]:
        """Returns what is to be told of limits that are nearly reached, each once."""
        near = list(nearly_reached(self.spending.shares(), self._warned))
        self._warned |= {each.limit for each in near}
        return near

    async def say(self, kind: _Event.Type.ValueType) -> None:
        """Tells that something begins that is about no trial."""
        async with self._fenced() as (_, tx):
            await tell(tx, self.row, _Event(type=kind))

    async def status(self) -> str:
        """Returns the run's status as it is now; raises Fenced when it is this worker's no more."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            row = await tx.fetch_one("SELECT status, fencing_token FROM optimization_runs WHERE id = %(id)s", self.row)
        if row is None or row["fencing_token"] != self.row["fencing_token"]:
            raise Fenced
        return str(row["status"])

    async def is_paused(self) -> bool:
        """Tells whether the run is paused now, whoever had it."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            row = await tx.fetch_one("SELECT status FROM optimization_runs WHERE id = %(id)s", self.row)
        return row is not None and row["status"] == "STATUS_PAUSED"

    async def trials(self, status: str = "") -> list[dict[str, Any]]:
        """Returns the run's trials by number, those of one status when one is named."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            return await tx.fetch(
                """SELECT * FROM trials WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s
                   AND (%(status)s = '' OR status = %(status)s) ORDER BY number""",
                {"organization": self.row["organization_id"], "run": self.row["id"], "status": status},
            )

    async def front(self) -> list[int]:
        """Returns the numbers of the trials on the front."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            return await self.results.front.numbers(tx)

    async def begin(
        self,
        suggestion: Suggestion,
        informed_count: int,
        pending_then: Sequence[int],
        origin: Origin = SUGGESTED,
    ) -> dict[str, Any]:
        """Writes a suggestion down as a trial, with what informed it; it is never computed again."""
        begun = {
            "id": new_id(),
            "number": suggestion.number,
            "configuration": suggestion.values,
            "content_hash": suggestion.content_hash,
            "sampler_version": suggestion.sampler_version,
            "seed": suggestion.seed,
            "evaluation_id": origin.evaluation_id or new_id(),
            "informed_count": informed_count,
            "pending_then": list(pending_then),
            "origin": origin.kind,
            "origin_trial_number": origin.trial_number,
            "repeat": origin.repeat,
        }
        async with self._written(BEGIN, {"begun": as_json([begun]), "extensions": 0}) as (call, tx, run, trial):
            event = about(trial, _Event.TYPE_TRIAL_STARTED)
            event.configuration.CopyFrom(struct_of(suggestion.values))
            members = await self.results.front.members_at(tx, run["front_version"])
            descend(event, suggestion.values, members, origin.trial_number)
            async with tx.together():
                await self._tell(call, tx, "created", trial, *step(self.row, suggestion.number), event)
        BEGUN()
        return trial

    async def progress(self, trial: Mapping[str, Any], finished: int, examples: int, usage: Usage) -> None:
        """Notes how many of a trial's examples are finished, and what they took."""
        async with self._fenced() as (call, tx):
            counts = {"finished_count": finished, "example_count": examples}
            await call.update(Trial, str(trial["id"]), counts | _used(usage))
            await tell(tx, self.row, about(trial, _Event.TYPE_TRIAL_PROGRESSED, **counts), *self._warnings())
        TOLD()

    async def finish(self, trial: Mapping[str, Any], outcome: "Outcome") -> dict[str, Any]:
        """Notes how a trial ended, and with it what that means for the run's counts, its best trial and its front.

        Returns the trial as it is now.
        """
        status = "STATUS_FAILED" if outcome.error else "STATUS_DROPPED" if outcome.lost_to else "STATUS_COMPLETED"
        end = {
            **vars(outcome),
            "usage": None,
            "number": trial["number"],
            "place": 1,
            "status": status,
            "metric_calls": outcome.finished_count,
            **_used(outcome.usage),
        }
        async with self._written(FINISH, {"told": as_json([end])}) as (call, tx, run, ended):
            self.spending.note(trial["id"], outcome.usage)
            counter, columns, events = await self.results.judge(tx, run, ended, outcome)
            run[counter] += 1
            events[0].totals.CopyFrom(totals(run, self.spending.total))
            columns |= {"waits": 0} if run["waits"] and not outcome.error else {}
            async with tx.together():
                await self.results.keep(tx, {counter: 1}, columns)
                await self._tell(call, tx, "updated", ended, *events, *self._warnings())
        FINISHED()
        if self.race.is_on:
            in_full = status == "STATUS_COMPLETED"
            self.race.ended(trial["number"], in_full=in_full, front=await self.front())
        return ended

    async def repeated(self, result: RepeatsResult, trials: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """Notes what fresh evaluations found, and with it which trial is the best; returns the run's row as it is then.

        `trials` are the run's complete ones by number.
        """
        events = [_fresh(each) for each in result.trials if each.objectives]
        async with self._fenced() as (call, tx):
            columns: dict[str, Any] = {"repeats_result": Jsonb(plain(result))}
            best = next((each for each in result.trials if each.trial_id == result.best_trial_id), None)
            if best is not None and best.objectives:
                named, told = best_of_run(trials[best.trial_number], dict(best.objectives))
                columns |= {name: Jsonb(value) if isinstance(value, dict) else value for name, value in named.items()}
                events.append(told)
            await call.update(OptimizationRun, self.id, columns)
            if events:
                await tell(tx, self.row, *events)
            return await call.row(OptimizationRun, self.id)

    async def bootstrapped(self, result: BootstrapResult, references: Sequence[str]) -> None:
        """Notes what was bootstrapped, and the sets of demonstrations that trials choose from."""
        told = _Event(type=_Event.TYPE_BOOTSTRAPPED, finished_count=result.example_count)
        told.accepted_count = result.accepted_count
        async with self._fenced() as (call, tx):
            columns = {"bootstrap_result": Jsonb(plain(result)), "demonstration_sets": Jsonb(list(references))}
            await call.update(OptimizationRun, self.id, columns)
            await tell(tx, self.row, told)

    async def seconds_left(self) -> float:
        """Returns how long the run may go on, by the database's clock; infinite without such a limit."""
        most = int((self.row["limits"] or {}).get("seconds", 0))
        if not most:
            return float("inf")
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            return most - await seconds_of(tx, self.row)

    async def complete(self, reason: str, **found: Message | None) -> None:
        """Ends the run as completed, and keeps what was found behind its trials, by column."""
        kept = {name: Jsonb(plain(each)) for name, each in found.items() if each is not None}
        await self._end("STATUS_COMPLETED", end_reason=reason, **kept)

    async def fail(self, error: str, error_class: str = "ERROR_CLASS_UNSPECIFIED") -> None:
        """Ends the run as failed."""
        await self._end("STATUS_FAILED", error=error, error_class=error_class)

    async def cancel(self) -> None:
        """Ends the run as cancelled."""
        await self._end("STATUS_CANCELLED")

    async def _end(self, status: str, **columns: Any) -> None:
        async with self._fenced() as (call, tx):
            if (await call.row(OptimizationRun, self.id))["status"] == "STATUS_CANCELLING":
                status, columns = "STATUS_CANCELLED", {}  # the row is locked: the wish came before the end
            await self._ended(call, tx, status, columns)
        ENDED_ALONE()

    async def _ended(self, call: Call, tx: Transaction, status: str, columns: Mapping[str, Any]) -> None:
        now = await _now(tx)
        await tx.execute(
            """UPDATE trials SET status = 'STATUS_CANCELLED', completed_at = %(now)s
               WHERE optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'""",
            {"id": self.row["id"], "now": now},
        )
        ended = {"status": status, "error": "", "completed_at": now, **columns}
        await call.update(OptimizationRun, self.id, ended, move="end")
        await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_ENDED, error=ended["error"]))

    async def waiting(self, trial: Mapping[str, Any], error: str) -> None:
        """Tells that a trial waits for a model."""
        async with self._fenced() as (_, tx):
            await tell(tx, self.row, about(trial, _Event.TYPE_TRIAL_WAITING, error=error))

    async def wait(self, cause: str) -> None:
        """Pauses the run until a model may answer again: ever longer, as long as nothing has come of it."""
        async with self._fenced() as (call, tx):
            row = await call.row(OptimizationRun, self.id)
            seconds = min(WAIT_SECONDS * 2 ** min(row["waits"], 10), LONGEST_WAIT_SECONDS)
            if row["status"] == "STATUS_CANCELLING":
                await self._ended(call, tx, "STATUS_CANCELLED", {})
                return
            await paused(call, tx, row, cause, {"resumes_at": from_now(seconds), "waits": increment()})

    async def pause(self, cause: str) -> None:
        """Stops the run because it may no longer act for its user; its results stay, and whoever resumes it goes on."""
        async with self._fenced() as (call, tx):
            row = await call.row(OptimizationRun, self.id)
            if row["status"] == "STATUS_CANCELLING":
                await self._ended(call, tx, "STATUS_CANCELLED", {})
            else:
                await paused(call, tx, row, cause)


def _fresh(one: RepeatedTrial) -> _Event:
    """Returns what is told of a trial that was evaluated afresh."""
    told = {"number": one.trial_number, "id": one.trial_id}
    return about(told, _Event.TYPE_TRIAL_REPEATED, objectives=dict(one.objectives))


def _used(usage: Usage) -> dict[str, int]:
    return {"tokens": usage.tokens, "cost_micros": usage.cost_micros}


async def _now(tx: Transaction) -> Any:
    row = await tx.fetch_one("SELECT now() AS now")
    assert row is not None
    return row["now"]
