"""How trials ended, as their clients say: noted once, with all that it means for the run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import (
    CompleteTrialsRequest,
    CompleteTrialsResponse,
    TrialCompletion,
)
from ashgrove.program.v1 import execution_pb2

from domain.values import content_hash
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.resource import action
from services.optimizer.aims import range_words
from services.optimizer.external.asking import given_trials
from services.optimizer.external.ending import finish
from services.optimizer.external.extending import can_be_partial
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn, message
from services.optimizer.resources import OptimizationRun
from services.optimizer.spending import Usage, noted

_VERB = "CompleteTrials"
_OPEN_RUNS = ("STATUS_RUNNING", "STATUS_PAUSED")
_Event = run_event_pb2.RunEvent
_READ = """
SELECT * FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = ANY(%(numbers)s)
"""


@action(OptimizationRun, _VERB)
async def complete(call: Call, request: CompleteTrialsRequest) -> CompleteTrialsResponse:
    """Notes how trials ended, all or none; see `CompleteTrials`."""
    answer: CompleteTrialsResponse = await in_turn(call, request.id, _VERB, partial(_completed, request=request))
    return answer


async def _completed(at: Turn, request: CompleteTrialsRequest) -> CompleteTrialsResponse:
    trials = await _trials(at, [each.number for each in request.completions])
    _check(at, request.completions, trials)
    new = [each for each in request.completions if _is_new(at, request.client, each, trials[each.number])]
    ended = await finish(at, [_end(each, trials[each.number]) for each in new]) if new else {}
    messages = [ended.get(each.number) or message(trials[each.number]) for each in request.completions]
    spent = await at.spent()
    if not await at.conclude(spent) and at.finished >= at.most:
        await at.conclude("END_REASON_TRIALS", open_counts=True)
    answer = CompleteTrialsResponse(trials=messages, standing=at.standing(spent))
    if request.next_count:
        given = await given_trials(at, request.client, request.next_count, request.lease_seconds, spent)
        answer.next.extend(given.trials)
        answer.wait_seconds = given.wait_seconds
        answer.standing.CopyFrom(given.standing)
    return answer


async def _trials(at: Turn, numbers: Sequence[int]) -> dict[int, Any]:
    """Returns trials by number, read only where one is open no more."""
    known: dict[int, Any] = {number: at.open[number] for number in numbers if number in at.open}
    if len(known) < len(set(numbers)):
        known |= {row["number"]: row for row in await at.tx.fetch(_READ, at.ids | {"numbers": list(numbers)})}
    return known


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
        else:
            faults += _unused_faults(at, path, each, trials[each.number])
        seen.add(each.number)
        faults += _faults(path, at.row["objectives"], each)
    if faults:
        raise InvalidFields(*faults)


def _unused_faults(at: Turn, path: str, told: TrialCompletion, trial: Mapping[str, Any]) -> Iterator[FieldViolation]:
    if told.used_variables and not can_be_partial(at.row):
        yield FieldViolation(f"{path}.used_variables", "must be empty: only random and bayesian bear missing variables")
    elif trial["status"] == "STATUS_RUNNING":
        for name in told.used_variables:
            if name not in trial["configuration"]:
                yield FieldViolation(f"{path}.used_variables", f"has {name}, which the trial has no value of")


def _faults(path: str, objectives: Sequence[Mapping[str, Any]], told: TrialCompletion) -> Iterator[FieldViolation]:
    if told.error or told.infeasible:
        if told.objectives:
            yield FieldViolation(f"{path}.objectives", "must be empty: a trial that failed has reached nothing")
        return
    if told.error_class:
        yield FieldViolation(f"{path}.error_class", "must come with an error")
    yield from objective_faults(f"{path}.objectives", objectives, told.objectives)


def objective_faults(
    path: str, objectives: Sequence[Mapping[str, Any]], told: Mapping[str, float]
) -> Iterator[FieldViolation]:
    """Yields what is wrong with what a trial reached."""
    names = [each["metric"] for each in objectives]
    for name in told:
        if name not in names:
            yield FieldViolation(f"{path}.{name}", f"is no objective of the run; it has {', '.join(names)}")
    for each in objectives:
        yield from _value_faults(f"{path}.{each['metric']}", each, told)


def _value_faults(path: str, objective: Mapping[str, Any], told: Mapping[str, float]) -> Iterator[FieldViolation]:
    if objective["metric"] not in told:
        yield FieldViolation(path, "is missing: tell every objective, or an error")
        return
    value = told[objective["metric"]]
    low, high = objective.get("low", -math.inf), objective.get("high", math.inf)
    if not math.isfinite(value):
        yield FieldViolation(path, f"must be a finite number, not {value}; a trial without one has an error")
    elif not low <= value <= high:
        yield FieldViolation(path, f"must be within the objective's range, {range_words(low, high)}")


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


def _end(told: TrialCompletion, trial: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns of a trial that has ended."""
    error, reported = _error(told), noted(trial)
    usage = reported if reported.metric_calls else Usage(told.metric_calls, told.tokens, told.cost_micros)
    values = trial["configuration"]
    if told.used_variables:
        values = {name: value for name, value in values.items() if name in set(told.used_variables)}
    return {
        "number": told.number,
        "configuration": values,
        "content_hash": content_hash(values) if told.used_variables else trial["content_hash"],
        "status": "STATUS_FAILED" if error else "STATUS_COMPLETED",
        "objectives": dict(told.objectives),
        "error": error,
        "error_class": execution_pb2.ErrorClass.Name(told.error_class),
        "infeasible": told.infeasible,
        **usage.columns,
    }
