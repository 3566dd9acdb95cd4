"""Creates an evaluation or attaches to the one that is there."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import dataset_pb2, execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramRequest, EvaluateProgramResponse
from psycopg.types.json import Jsonb

from domain.values import Json, canonical_json, normalise
from framework import telemetry
from framework.engine import Call
from framework.errors import AlreadyExists, FieldViolation, IllegalState, InvalidFields, NotFound
from framework.plain import plain
from framework.resource import action
from framework.storage import Transaction, clock_time
from framework.structs import values_of
from services.program import shapes
from services.program.configurations import refuse_faults
from services.program.defaults import defaults_of_evaluation
from services.program.measuring import known_metrics, known_params, limit, metrics, patience, refuse_unlimited
from services.program.resources.dataset import Dataset
from services.program.resources.evaluation import Evaluation
from services.program.resources.execution import PAUSED
from services.program.resources.program import Program
from services.program.waking import EVALUATIONS, WORK, left
from services.program.watching import frames

_VERB = "EvaluateProgram"
_TOLD = ("configuration", "metric_params")
_COUNT = """
SELECT count(*) AS count FROM examples
WHERE organization_id = %(organization_id)s AND dataset_id = %(dataset_id)s
  AND split = %(split)s AND revision <= %(dataset_revision)s
"""
Request = EvaluateProgramRequest


@action(Evaluation, _VERB)
async def evaluate(call: Call, request: Request) -> AsyncIterator[EvaluateProgramResponse]:
    """Creates an evaluation or attaches to it, and streams its results; the work outlives its caller."""
    identifier = await _create_or_attach(call, request)
    async for frame in frames(call, identifier, request.from_sequence):
        yield frame


async def _create_or_attach(call: Call, request: Request) -> str:
    """Returns the id of the evaluation; raises AlreadyExists when the id names a different one."""
    if request.evaluation_id:
        # The rule for a program holds on every attach: who lost it no longer reads on.
        await call.row(Program, request.program_id, _VERB)
        if await _attach(call, request):
            return request.evaluation_id
    try:
        return await _create(call, request)
    except AlreadyExists:
        if not await _attach(call, request):
            raise AlreadyExists("another evaluation has the same id; choose others", resource="evaluation") from None
        return request.evaluation_id


async def _attach(call: Call, request: Request) -> bool:
    try:
        row = await call.row(Evaluation, request.evaluation_id)
    except NotFound:
        return False
    different = list(_differences(row, request))
    if different:
        raise AlreadyExists(
            f"evaluation {request.evaluation_id} is another one: its {', '.join(different)} differ; choose another id",
            resource="evaluation",
            fields=",".join(different),
        )
    extended = bool(row["run_id"]) and (row["run_allowance"] or {}) != plain(request.run_allowance)
    if extended:
        allowed = {"run_allowance": Jsonb(plain(request.run_allowance))}
        await call.update(Evaluation, request.evaluation_id, allowed, verb=_VERB)
    if row["status"] == PAUSED or (extended and _is_cut(row)):
        await _resume(call, request.evaluation_id)
    return True


def _is_cut(row: Mapping[str, Any]) -> bool:
    """Tells whether an evaluation was broken off because its run had used all that it might."""
    return bool(row["status"] == "WORK_STATUS_FAILED" and row["error_class"] == "ERROR_CLASS_RUN_LIMIT")


async def _resume(call: Call, identifier: str) -> None:
    """Leaves an evaluation that rests to the workers again: they run what has no result yet."""
    async with call.transaction() as tx:
        row = await call.row(Evaluation, identifier, _VERB, lock=True)
        if row["status"] != PAUSED and not _is_cut(row):
            return
        # Attached from now on, or else it could be paused again before its first frame.
        columns = {"attached_at": clock_time(), "error": "", "error_class": 0, "completed_at": None}
        columns["sealed"] = _is_sealed(row["run_id"], row["split"])
        await call.update(Evaluation, identifier, columns, verb=_VERB, move="resume")
        await call.database.notify(tx, WORK, left(EVALUATIONS))


def _is_sealed(run_id: UUID | None, split: str) -> bool:
    """Tells whether nobody may read what an evaluation finds while its run goes on."""
    return run_id is not None and split == "SPLIT_TEST"


def _differences(row: Mapping[str, Any], request: Request) -> list[str]:
    """Returns the names of the fields in which a request asks for something else; revision 0 asks for any."""
    wanted = {
        "program_id": UUID(request.program_id),
        "program_revision": request.program_revision or row["program_revision"],
        "dataset_id": UUID(request.dataset_id),
        "dataset_revision": request.dataset_revision or row["dataset_revision"],
        "split": dataset_pb2.Split.Name(request.split),
        "metrics": metrics(request),
        "seed": request.seed,
        "repeat": request.repeat,
        **patience(request),
        "max_cost_micros": limit(request),
    }
    different = [name for name, value in wanted.items() if row[name] != value]
    told = [name for name in _TOLD if _canonical(values_of(getattr(request, name))) != _canonical(row[name] or {})]
    return different + told


def _canonical(values: Mapping[str, Json]) -> bytes:
    return canonical_json(normalise(dict(values)))


async def _create(call: Call, request: Request) -> str:
    async with call.transaction() as tx:
        hidden = await _asked(call, tx, request)
        new, identifier = execution_pb2.Evaluation(), request.evaluation_id
        made = await call.create(Evaluation, new, hidden=hidden, identifier=identifier, unread=True)
        await call.database.notify(tx, WORK, left(EVALUATIONS))
    return made.id


async def _asked(call: Call, tx: Transaction, request: Request) -> dict[str, Any]:
    """Returns the columns of a checked request."""
    program = await call.get(Program, request.program_id, revision=request.program_revision, verb=_VERB)
    dataset = await call.get(Dataset, request.dataset_id)
    if request.dataset_revision > dataset.revision:
        raise NotFound("dataset_revision", f"{dataset.id}@{request.dataset_revision}")
    shapes.fit(program.signature_config, dataset.input_fields, dataset.output_fields)
    refuse_unlimited(program, request)
    run = _run(call, request)
    drawn = {
        "organization_id": call.context.organization_id,
        "dataset_id": UUID(dataset.id),
        "dataset_revision": request.dataset_revision or dataset.revision,
        "split": dataset_pb2.Split.Name(request.split),
    }
    counted = await tx.leave(_COUNT, drawn)  # travels with the next question
    return {
        **drawn,
        "program_id": UUID(program.id),
        "program_revision": program.revision,
        "configuration": Jsonb(refuse_faults(program, values_of(request.configuration))),
        "metrics": Jsonb(known_metrics(request)),
        "metric_params": Jsonb(known_params(request, program)),
        **patience(request),
        "max_cost_micros": limit(request),
        "seed": request.seed,
        "repeat": request.repeat,
        "run_id": run,
        "run_allowance": Jsonb(plain(request.run_allowance)) if run else None,
        "defaults": Jsonb((await defaults_of_evaluation(call, tx, run)).stored()),
        "sealed": _is_sealed(run, dataset_pb2.Split.Name(request.split)),
        "request_id": call.context.request_id,
        "traceparent": telemetry.traceparent(call.context.traceparent),
        "example_count": _some(drawn, await tx.answer(counted)),
    }


def _run(call: Call, request: Request) -> UUID | None:
    """Returns the run that an evaluation belongs to; only what acts under a run's grant may say so."""
    for name in ("run_id", "run_allowance"):
        if getattr(request, name) != getattr(Request(), name) and not call.actor.delegate:
            raise InvalidFields(FieldViolation(name, "is set by the optimizer alone; leave it empty"))
    return UUID(request.run_id) if request.run_id else None


def _some(drawn: Mapping[str, Any], counted: Sequence[Mapping[str, Any]]) -> int:
    """Returns how many examples there are to run; raises IllegalState where there are none."""
    count = int(counted[0]["count"])
    if count == 0:
        split = drawn["split"].removeprefix("SPLIT_").lower()
        raise IllegalState(
            f"the dataset has no {split} examples at revision {drawn['dataset_revision']}; "
            "legal: add some with BatchCreateExamples, or choose another split",
            split=drawn["split"],
        )
    return count
