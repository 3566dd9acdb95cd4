"""How trials ended, as their clients say: noted once, with all that it means for the run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import (
    CompleteTrialsRequest,
    CompleteTrialsResponse,
    TrialCompletion,
)
from ashgrove.program.v1 import execution_pb2
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from services.optimizer.evaluating import Outcome
from services.optimizer.external.turn import Turn, message, turn
from services.optimizer.spending import Usage, noted

_VERB = "CompleteTrials"
_OPEN_RUNS = ("STATUS_RUNNING", "STATUS_PAUSED")
_Event = optimization_run_pb2.RunEvent
_READ = """
SELECT * FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = ANY(%(numbers)s)
"""
_FINISH = """
UPDATE trials SET status = %(status)s, objectives = %(objectives)s, error = %(error)s, error_class = %(error_class)s,
       infeasible = %(infeasible)s, finished_count = %(metric_calls)s, tokens = %(tokens)s,
       cost_micros = %(cost_micros)s, finish_number = %(finish_number)s, completed_at = now(), lease_until = NULL,
       lock_version = lock_version + 1
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = %(number)s
RETURNING *
"""


async def complete(call: Call, request: CompleteTrialsRequest) -> CompleteTrialsResponse:
    """Notes how trials ended, all or none; see `CompleteTrials`."""
    async with turn(call, request.id, _VERB) as at:
        numbers = {"numbers": [each.number for each in request.completions]}
        trials = {row["number"]: row for row in await at.tx.fetch(_READ, at.ids | numbers)}
        _check(at, request.completions, trials)
        ended = {each.number: trials[each.number] for each in request.completions}
        new = [each for each in request.completions if _is_new(at, request.client, each, trials[each.number])]
        for each in new:
            ended[each.number] = await _finished(at, each, trials[each.number])
        messages = {number: message(row) for number, row in ended.items()}
        await at.tell_of("updated", [messages[each.number] for each in new])
        spent = await at.spent()
        if not await at.conclude(spent) and at.finished >= at.row["max_trials"]:
            await at.conclude("END_REASON_TRIALS", open_counts=True)
        return CompleteTrialsResponse(trials=list(messages.values()), standing=await at.standing(spent))


def _check(at: Turn, completions: Sequence[TrialCompletion], trials: Mapping[int, Any]) -> None:
    """Raises InvalidFields with everything that is wrong with what is told."""
    faults, seen = [], set()
    for i, each in enumerate(completions):
        path = f"completions[{i}]"
        if each.number in seen:
            faults.append(FieldViolation(f"{path}.number", "is told twice; tell each trial once"))
        elif each.number not in trials:
            most = at.finished + len(at.open)
            has = f"it has trials 1 to {most}" if most else "it has none yet"
            faults.append(FieldViolation(f"{path}.number", f"is no trial of this run; {has}"))
        seen.add(each.number)
        faults += _faults(path, at.row["objectives"], each)
    if faults:
        raise InvalidFields(*faults)


def _faults(path: str, objectives: Sequence[Mapping[str, Any]], told: TrialCompletion) -> Iterator[FieldViolation]:
    names = [each["metric"] for each in objectives]
    if told.error or told.infeasible:
        if told.objectives:
            yield FieldViolation(f"{path}.objectives", "must be empty: a trial that failed has reached nothing")
        return
    if told.error_class:
        yield FieldViolation(f"{path}.error_class", "must come with an error")
    for name in told.objectives:
        if name not in names:
            yield FieldViolation(f"{path}.objectives.{name}", f"is no objective of the run; it has {', '.join(names)}")
    for each in objectives:
        yield from _value_faults(f"{path}.objectives.{each['metric']}", each, told.objectives)


def _value_faults(path: str, objective: Mapping[str, Any], told: Mapping[str, float]) -> Iterator[FieldViolation]:
    if objective["metric"] not in told:
        yield FieldViolation(path, "is missing: tell every objective, or an error")
        return
    value = told[objective["metric"]]
    low, high = objective.get("low", -math.inf), objective.get("high", math.inf)
    if not math.isfinite(value):
        yield FieldViolation(path, f"must be a finite number, not {value}; a trial without one has an error")
    elif not low <= value <= high:
        yield FieldViolation(path, f"must be within the objective's range, {low:g} to {high:g}")


def _is_new(at: Turn, client: str, told: TrialCompletion, trial: Mapping[str, Any]) -> bool:
    """Tells whether a trial is to be noted, or was noted so before; raises LeaseLost, IllegalState."""
    if trial["status"] == "STATUS_RUNNING":
        if at.status not in _OPEN_RUNS:
            raise IllegalState(f"this run is {at.status.removeprefix('STATUS_')}", status=at.status)
        at.held(client, told.number, renewing=False)
        return True
    if trial["status"] == "STATUS_CANCELLED" or not _is_same(told, trial):
        state = trial["status"].removeprefix("STATUS_")
        said = f"trial {told.number} is {state}: what it reached cannot be changed"
        raise IllegalState(said, status=state, trial_number=str(told.number))
    return False


def _is_same(told: TrialCompletion, trial: Mapping[str, Any]) -> bool:
    same_end = (_error(told), told.infeasible) == (trial["error"], trial["infeasible"])
    return same_end and dict(told.objectives) == (trial["objectives"] or {})


def _error(told: TrialCompletion) -> str:
    return told.error or ("the client found that this cannot be tried" if told.infeasible else "")


async def _finished(at: Turn, told: TrialCompletion, trial: dict[str, Any]) -> dict[str, Any]:
    """Notes one trial's end with what it means for counts, best and front; returns its row."""
    error, reported = _error(told), noted(trial)
    error_class = execution_pb2.ErrorClass.Name(told.error_class)
    usage = reported if reported.metric_calls else Usage(told.metric_calls, told.tokens, told.cost_micros)
    columns = {
        "number": told.number,
        "status": "STATUS_FAILED" if error else "STATUS_COMPLETED",
        "objectives": Jsonb(dict(told.objectives)),
        "error": error,
        "error_class": error_class,
        "infeasible": told.infeasible,
        "finish_number": at.finished + 1,
        "metric_calls": usage.metric_calls,
        "tokens": usage.tokens,
        "cost_micros": usage.cost_micros,
    }
    (row,) = await at.tx.fetch(_FINISH, at.ids | columns)
    outcome = Outcome(dict(told.objectives), error, error_class, usage.metric_calls, usage.metric_calls)
    await at.say(*await (await at.warm()).results.add(at.tx, row, outcome))
    at.row["failed_trials" if error else "completed_trials"] += 1
    at.open = [each for each in at.open if each["number"] != told.number]
    return row
