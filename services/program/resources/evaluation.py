"""Evaluations and their results: a program revision, run with one configuration over one split of a dataset."""

from typing import Any

from ashgrove.program.v1 import execution_pb2
from sqlalchemy import ColumnElement, Text, case, func, null
from sqlalchemy.dialects.postgresql import JSONB

from framework.call import Actor, ActorKind, Role
from framework.engine import of_readable
from framework.policy import WRITES, bypass, field_policy, forbid, has_role, is_service, owns, policy, signed_in
from framework.policy.row_checks import ColumnIs
from framework.query import Columns
from framework.query.formulas import seconds_between, sql
from framework.query.sources import json_number
from framework.resource import Resource, StateMachine, Storage
from services.program.resources.execution import WORK_COLUMNS, of_readable_program

_CANCEL = "CancelEvaluation"
_PAUSE = "PauseEvaluation"
_EVALUATE = "EvaluateProgram"
_COMPARE = "CompareEvaluations"
_MATRIX = "GetEvaluationMatrix"


def _score(row: Columns) -> ColumnElement[Any]:
    return json_number(func.jsonb_extract_path(row["scores"], row["primary_metric"], type_=JSONB()))


def _gain(row: Columns) -> ColumnElement[Any]:
    ways = {"DIRECTION_MAXIMIZE": 1.0, "DIRECTION_MINIMIZE": -1.0}
    return row["score"] * case(ways, value=row["direction"], else_=null())


def _outside(actor: Actor) -> Any:
    """Returns what a row says that is sealed to an actor, None for those who do the work."""
    inside = actor.kind is ActorKind.SERVICE or bool(actor.delegate)
    return None if inside else True


# What a run found on the test split is nobody's to read, administrators' neither, before the run has ended.
is_sealed = ColumnIs("is_sealed", "sealed", _outside)


class Evaluation(Resource[execution_pb2.Evaluation]):
    """Evaluations: read by whoever may read their program, stopped by whoever asked for them."""

    storage = Storage(
        owner="owner_id",
        indexes=[("program_id", "created_at"), ("dataset_id", "created_at"), ("run_id", "created_at")],
        hidden=WORK_COLUMNS
        | {
            "attached_at": "timestamptz NOT NULL DEFAULT clock_timestamp()",
            "sealed": "boolean NOT NULL DEFAULT false",
            "defaults": "jsonb",
            "run_allowance": "jsonb",
        },
        references={"program_id": "programs", "dataset_id": "datasets"},
        initial={"status": execution_pb2.WORK_STATUS_PENDING},
    )
    states = StateMachine(
        "status",
        moves={
            "PENDING": {_CANCEL: "CANCELLED", _PAUSE: "PAUSED"},
            "RUNNING": {_CANCEL: "CANCELLED", _PAUSE: "PAUSED"},
            "PAUSED": {_CANCEL: "CANCELLED", _PAUSE: "PAUSED"},
            # What has ended stays as it is.
            "COMPLETED": {_CANCEL: "COMPLETED", _PAUSE: "COMPLETED"},
            "FAILED": {_CANCEL: "FAILED", _PAUSE: "FAILED"},
            "CANCELLED": {_CANCEL: "CANCELLED", _PAUSE: "CANCELLED"},
        },
        internal={
            "PENDING": {"begin": "RUNNING"},
            "RUNNING": {"complete": "COMPLETED", "fail": "FAILED"},
            "PAUSED": {"resume": "PENDING"},
            # One that a limit of its run broke off, when the run is extended.
            "FAILED": {"resume": "PENDING"},
        },
        terminal=("COMPLETED", "CANCELLED"),
    )
    computed = {
        "primary_metric": sql(lambda row: func.jsonb_extract_path_text(row["metrics"], "0", type_=Text())),
        "score": sql(_score),
        "gain": sql(_gain),
        "score_per_credit": sql(lambda row: row["score"] * 1e6 / func.nullif(row["cost_micros"], 0)),
        "duration_ms": sql(lambda row: seconds_between(row["started_at"], row["completed_at"]) * 1000),
    }
    policies = [
        forbid(is_sealed),
        bypass(has_role(Role.ADMIN)),
        # The worker ends evaluations; a run's worker may have lost its user's grant and must still stop them.
        bypass(is_service, "Get", "List", "Update", _CANCEL, _PAUSE),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", allow=of_readable_program),
        policy("Create", _CANCEL, _PAUSE, allow=signed_in & owns),
        # Which programs they may run is Program's to say.
        policy(_EVALUATE, allow=signed_in),
        # Which evaluations they may read is said above.
        policy(_COMPARE, _MATRIX, allow=signed_in),
    ]

    # The rule above keeps the row from whom it is sealed to; this keeps the scores out of events, and so of the trail.
    field_policies = [field_policy("scores", allow=~is_sealed)]


class EvaluationResult(Resource[execution_pb2.EvaluationResult]):
    """Results: read by whoever may read their evaluation; written once by the worker, never twice."""

    storage = Storage(
        unique=[("evaluation_id", "example_id", "repeat"), ("evaluation_id", "sequence")],
        indexes=[("example_id",)],
        references={"evaluation_id": "evaluations", "example_id": "examples"},
        append_only=True,
    )
    policies = [
        policy("Get", "List", allow=of_readable(Evaluation, "evaluation_id")),
    ]
