"""Trials that were made elsewhere, taken over before a run's first one is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2, trial_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import ImportedTrial, ImportTrialsRequest, ImportTrialsResponse

from domain.seeds import Draw
from domain.space import Space
from domain.values import Invalid, Json, content_hash
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.identifiers import new_id
from framework.plain import plain, plain_struct
from framework.resource import action
from framework.storage.database import as_json
from services.optimizer.external.completing import objective_faults
from services.optimizer.external.ending import Ended, count
from services.optimizer.external.extending import can_be_partial
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn
from services.optimizer.outcomes import Outcome
from services.optimizer.resources import OptimizationRun
from services.optimizer.spending import Usage

_VERB = "ImportTrials"
_Event = run_event_pb2.RunEvent
_READ = """
SELECT number, status, objectives, error FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = ANY(%(numbers)s)
"""
_TAKE_OVER = """
INSERT INTO trials (organization_id, optimization_run_id, id, number, configuration, content_hash, status, objectives,
                    error, finish_number, attributes, created_at, completed_at, lease_until, sampler_version,
                    origin)
SELECT %(organization)s, %(run)s, made.id, made.number, made.configuration, made.content_hash, made.status,
       made.objectives, made.error, made.finish_number, made.attributes, coalesce(made.started_at, now()),
       CASE WHEN made.finish_number > 0 THEN coalesce(made.completed_at, now()) END,
       CASE WHEN made.finish_number = 0 THEN now() END, 'imported', 'ORIGIN_IMPORTED'
FROM jsonb_to_recordset(%(made)s) AS made(
    id uuid, number integer, configuration jsonb, content_hash text, status text, objectives jsonb, error text,
    finish_number integer, attributes jsonb, started_at timestamptz, completed_at timestamptz)
"""
_MEASURED = """
INSERT INTO trial_measurements (organization_id, trial_id, step, reported)
SELECT %(organization)s, made.trial_id, made.step, made.reported
FROM jsonb_to_recordset(%(made)s) AS made(trial_id uuid, step bigint, reported jsonb)
"""


@action(OptimizationRun, _VERB)
async def import_trials(call: Call, request: ImportTrialsRequest) -> ImportTrialsResponse:
    """Takes trials over, all or none; see `ImportTrials`."""
    answer: ImportTrialsResponse = await in_turn(call, request.id, _VERB, partial(_imported, request=request))
    return answer


async def _imported(at: Turn, request: ImportTrialsRequest) -> ImportTrialsResponse:
    numbers = {"numbers": [each.number for each in request.trials]}
    there = {row["number"]: row for row in await at.tx.fetch(_READ, at.ids | numbers)}
    new = [each for each in request.trials if not _is_there(each, there.get(each.number))]
    if new and at.status != "STATUS_PENDING":
        told = "this run has started: trials are imported before the first one is asked for"
        raise IllegalState(told, status=at.status)
    warm = await at.warm()
    _check(at, warm.space, request.trials, new)
    if new:
        await _take_over(at, new)
    at.forget()
    return ImportTrialsResponse(added=len(new), standing=at.standing())


def _is_there(trial: ImportedTrial, row: Mapping[str, Any] | None) -> bool:
    """Tells whether a trial was imported before; raises IllegalState where another has its number."""
    if row is None:
        return False
    same = (trial_pb2.Trial.Status.Name(trial.status), dict(trial.objectives), _error(trial))
    if same != (row["status"], row["objectives"] or {}, row["error"]):
        told = f"trial {trial.number} is there with another end: import the rest of the trials as they were"
        raise IllegalState(told, trial_number=str(trial.number))
    return True


def _check(at: Turn, space: Space, asked: Sequence[ImportedTrial], new: Sequence[ImportedTrial]) -> None:
    """Raises InvalidFields with everything that is wrong with the trials."""
    places = {each.number: f"trials[{i}]" for i, each in enumerate(asked)}
    faults = [fault for each in new for fault in _faults(at, space, each, places[each.number])]
    count, most = at.finished + len(at.open), at.row["max_trials"]
    for expected, each in enumerate(new, count + 1):
        if each.number != expected:
            told = f"must be {expected}: trials are numbered from 1 without gaps, {count} are there"
            faults.append(FieldViolation(f"{places[each.number]}.number", told))
            break
    if count + len(new) > most:
        told = f"must leave the run with {most} trials at most, its max_trials; {count} are there"
        faults.append(FieldViolation("trials", told))
    if faults:
        raise InvalidFields(*faults)


def _faults(at: Turn, space: Space, trial: ImportedTrial, path: str) -> Iterator[FieldViolation]:
    if trial.status == trial_pb2.Trial.STATUS_COMPLETED or trial.objectives:
        yield from objective_faults(f"{path}.objectives", at.row["objectives"], trial.objectives)
    if trial.status in (trial_pb2.Trial.STATUS_FAILED, trial_pb2.Trial.STATUS_RUNNING) and trial.objectives:
        yield FieldViolation(f"{path}.objectives", "must be empty: only a trial that ended has reached anything")
    variables = {each.name: each for each in space.variables}
    values = plain_struct(trial.configuration)
    for name, value in values.items():
        if name not in variables:
            yield FieldViolation(f"{path}.configuration.{name}", "is no variable of the run's space")
            continue
        try:
            variables[name].accept(value, f"{path}.configuration.{name}")
        except Invalid as invalid:
            yield from (FieldViolation(each.path, each.message) for each in invalid.violations)
    missing = sorted({name for name, each in variables.items() if not each.when} - values.keys())
    if missing and not can_be_partial(at.row):
        told = f"must have {', '.join(missing)}: only random and bayesian learn from trials without some variables"
        yield FieldViolation(f"{path}.configuration", told)


async def _take_over(at: Turn, trials: Sequence[ImportedTrial]) -> None:
    space = (await at.warm()).space
    made, finished = [], at.finished
    for each in trials:
        finished += each.status != trial_pb2.Trial.STATUS_RUNNING
        made.append(_row(each, finished, _values(at, each, space)))
    measured = [
        {"trial_id": row["id"], "step": told.step, "reported": plain(told)}
        for row, each in zip(made, trials, strict=True)
        for told in {one.step: one for one in each.measurements}.values()
    ]
    await at.tx.send(_TAKE_OVER, at.ids | {"made": as_json(made)})
    if measured:
        await at.tx.send(_MEASURED, at.ids | {"made": as_json(measured)})
    ended = [row for row in made if row["finish_number"]]
    if ended:
        await count(at, [_ended(row) for row in ended])
    at.open |= {row["number"]: row | _LEFT for row in made if not row["finish_number"]}


_LEFT = {"client": "", "ended": True, "seconds": 0.0, "origin": "ORIGIN_IMPORTED", "origin_trial_number": 0}


def _values(at: Turn, trial: ImportedTrial, space: Space) -> dict[str, Json]:
    """Returns a trial's values; of one that somebody will evaluate yet, what is missing is drawn."""
    values: dict[str, Json] = plain_struct(trial.configuration)
    if trial.status == trial_pb2.Trial.STATUS_RUNNING:
        drawn = space.draw(Draw(at.row["seed"], f"imported {trial.number}"))
        values = space.ordered(drawn | values)
    return values


def _row(trial: ImportedTrial, finished: int, values: dict[str, Json]) -> dict[str, Any]:
    is_open = trial.status == trial_pb2.Trial.STATUS_RUNNING
    return {
        "id": new_id(),
        "number": trial.number,
        "configuration": values,
        "content_hash": content_hash(values),
        "status": trial_pb2.Trial.Status.Name(trial.status),
        "objectives": dict(trial.objectives),
        "error": trial.error
        or ("it failed where it was made" if trial.status == trial_pb2.Trial.STATUS_FAILED else ""),
        "finish_number": 0 if is_open else finished,
        "attributes": plain_struct(trial.attributes) if trial.HasField("attributes") else None,
        "started_at": trial.started_at.ToJsonString() if trial.HasField("started_at") else None,
        "completed_at": trial.completed_at.ToJsonString() if trial.HasField("completed_at") else None,
    }


def _error(trial: ImportedTrial) -> str:
    return trial.error or ("it failed where it was made" if trial.status == trial_pb2.Trial.STATUS_FAILED else "")


def _ended(row: Mapping[str, Any]) -> Ended:
    is_dropped = row["status"] == "STATUS_DROPPED"
    return Ended(row, Outcome(row["objectives"], row["error"]), Usage(), is_dropped)
