"""The books of one run: its trials and findings, each told in the run's story and committed with what it tells."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2
from ashgrove.optimizer.v1.bootstrap_pb2 import BootstrapResult
from ashgrove.optimizer.v1.repeats_pb2 import RepeatedTrial, RepeatsResult
from psycopg.types.json import Jsonb

from framework.engine.writing import tell_many, told_of
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.plain import plain
from framework.resource import spec_of
from framework.rpc.assembly import Parts
from framework.storage import Leases, codec_of
from framework.storage.database import as_json
from framework.structs import struct_of
from services.optimizer.held import LEASE_SECONDS, HeldRun, Written
from services.optimizer.objectives import aggregations_of
from services.optimizer.origins import SUGGESTED, Origin
from services.optimizer.outcomes import Outcome
from services.optimizer.racing import Race
from services.optimizer.resources import OptimizationRun, Trial
from services.optimizer.results import Results, about, best_of_run
from services.optimizer.run_changes import NO_CHANGES, Changes
from services.optimizer.spending import Spending, Usage
from services.optimizer.story import tell
from services.optimizer.suggesting import Suggestion
from services.optimizer.telling import descend, nearly_reached, step, totals
from services.optimizer.trial_rows import BEGIN, FINISH

_Event = run_event_pb2.RunEvent
BEGUN = Failpoint("trial.begun", "a trial is written down, and its evaluation not asked for")
TOLD = Failpoint("trial.told", "a trial's progress is told, and what came since is not")
FINISHED = Failpoint("trial.finished", "a trial has ended, and nothing follows from it yet")


class Ledger(HeldRun):
    """Writes down a held run's trials, and what was found beside them."""

    def __init__(self, parts: Parts, leases: Leases, row: dict[str, Any], lease_seconds: float = LEASE_SECONDS) -> None:
        super().__init__(parts, leases, row, lease_seconds)
        self.results = Results(row)
        self.spending = Spending(row["limits"])
        self.race = Race(row, self.results.objectives, aggregations_of(row))

    async def _tell(self, at: Written, what: str, *events: _Event, changing: Changes = NO_CHANGES) -> None:
        """Tells of a trial in the audit trail, and in the story of the run, whose row changes with that.

        It is not waited for: it leaves with the commit.
        """
        spec = spec_of(Trial)
        await tell_many(at.tx, spec, at.call.context, what, [told_of(spec, codec_of(spec).message(at.trial))])
        await tell(at.tx, self.row, *events, fenced=False, changing=changing)

    def _warnings(self) -> list[_Event]:
        """Returns what is to be told of limits that are nearly reached, each once."""
        near = list(nearly_reached(self.spending.shares(), self.warned))
        self.warned |= {each.limit for each in near}
        return near

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
        async with self.written(BEGIN, {"begun": as_json([begun]), "extensions": 0}) as at:
            event = about(at.trial, _Event.TYPE_TRIAL_STARTED)
            event.configuration.CopyFrom(struct_of(suggestion.values))
            members = await self.results.front.members_at(at.tx, at.run["front_version"])
            descend(event, suggestion.values, members, origin.trial_number)
            await self._tell(at, "created", *step(self.row, suggestion.number), event)
        BEGUN()
        return at.trial

    async def progress(self, trial: Mapping[str, Any], finished: int, examples: int, usage: Usage) -> None:
        """Notes how many of a trial's examples are finished, and what they took."""
        async with self.fenced() as (call, tx):
            counts = {"finished_count": finished, "example_count": examples}
            await call.update(Trial, str(trial["id"]), counts | _used(usage))
            await tell(tx, self.row, about(trial, _Event.TYPE_TRIAL_PROGRESSED, **counts), *self._warnings())
        TOLD()

    async def finish(self, trial: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
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
        async with self.written(FINISH, {"told": as_json([end])}) as at:
            self.spending.note(trial["id"], outcome.usage)
            counter, columns, events = await self.results.judge(at.tx, at.run, at.trial, outcome)
            at.run[counter] += 1
            events[0].totals.CopyFrom(totals(at.run, self.spending.total))
            columns |= {"waits": 0} if at.run["waits"] and not outcome.error else {}
            changing = Changes({counter: 1}, columns)
            await self._tell(at, "updated", *events, *self._warnings(), changing=changing)
        FINISHED()
        if self.race.is_on:
            in_full = status == "STATUS_COMPLETED"
            self.race.ended(trial["number"], in_full=in_full, front=await self.front())
        return at.trial

    async def repeated(self, result: RepeatsResult, trials: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """Notes what fresh evaluations found, and with it which trial is the best; returns the run's row as it is then.

        `trials` are the run's complete ones by number.
        """
        events = [_fresh(each) for each in result.trials if each.objectives]
        async with self.fenced() as (call, tx):
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
        async with self.fenced() as (call, tx):
            columns = {"bootstrap_result": Jsonb(plain(result)), "demonstration_sets": Jsonb(list(references))}
            await call.update(OptimizationRun, self.id, columns)
            await tell(tx, self.row, told)

    async def waiting(self, trial: Mapping[str, Any], error: str) -> None:
        """Tells that a trial waits for a model."""
        async with self.fenced() as (_, tx):
            await tell(tx, self.row, about(trial, _Event.TYPE_TRIAL_WAITING, error=error))


def _fresh(one: RepeatedTrial) -> _Event:
    """Returns what is told of a trial that was evaluated afresh."""
    told = {"number": one.trial_number, "id": one.trial_id}
    return about(told, _Event.TYPE_TRIAL_REPEATED, objectives=dict(one.objectives))


def _used(usage: Usage) -> dict[str, int]:
    return {"tokens": usage.tokens, "cost_micros": usage.cost_micros}
