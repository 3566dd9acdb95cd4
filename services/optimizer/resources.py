"""Optimization runs and trials: read by whoever may read their program, moved by their verbs and workers only."""

from collections.abc import Mapping
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2

from framework.call import Role
from framework.engine import of_readable
from framework.policy import WRITES, bypass, has_role, is_service, owns, policy, signed_in
from framework.query.aggregates import count, sum_of
from framework.query.formulas import batched, sql
from framework.resource import Resource, StateMachine, Storage
from framework.storage import LEASE_COLUMNS
from services.optimizer import figures, progressing
from services.optimizer.access import of_owned_program, of_readable_program

_Run = optimization_run_pb2.OptimizationRun
ENDED = {
    "STATUS_COMPLETED",
    "STATUS_FAILED",
    "STATUS_CANCELLED",
}
_CANCEL = "CancelOptimizationRun"
_PAUSE = "PauseOptimizationRun"
_RESUME = "ResumeOptimizationRun"
_FORK = "ForkOptimizationRun"
_EXTEND = "ExtendOptimizationRun"
_RETRY = "RetryOptimizationRun"
_PROMOTE = "PromoteOptimizationRun"
_IMPORTANCE = "AnalyzeVariableImportance"
_COMPARE = "CompareOptimizationRuns"
_ESTIMATE = "EstimateOptimizationRun"
NOTHING_YET = "no trial of this run is complete yet; watch it and ask again"
_TOLD = ("SuggestTrials", "PushTrials", "CompleteTrials", "RenewTrials", "ReportMeasurements", "ReportExamples")
_GROWN = ("ExtendSpace", "ImportTrials")
_REPORTS = ("GetRunReport", "GetRunReportPage")
_VIEWS = ("WatchOptimizationRun", "GetBestConfiguration", "GetParetoFront", _IMPORTANCE, _COMPARE, *_REPORTS)


def is_external(row: Mapping[str, Any]) -> bool:
    """Tells whether clients evaluate the trials of a run's row."""
    return bool(row["evaluator"] == "EVALUATOR_EXTERNAL")


class OptimizationRun(Resource[optimization_run_pb2.OptimizationRun]):
    """A search: created whole, changed by nobody but its worker, paused and stopped by its owner or its program's."""

    storage = Storage(
        owner="owner_id",
        indexes=[("program_id", "created_at"), ("status", "created_at")],
        hidden=LEASE_COLUMNS
        | {
            "grant_id": "uuid",
            "evicted_count": "bigint NOT NULL DEFAULT 0",
            "traceparent": "text NOT NULL DEFAULT ''",
            # How many trials there were to be before it was extended; 0 if it was not.
            "planned_trials": "integer NOT NULL DEFAULT 0",
            # How often in a row it has waited for a model.
            "waits": "integer NOT NULL DEFAULT 0",
            # What the clients of an external run have told that they used; a worker adds up by itself.
            "told_metric_calls": "bigint NOT NULL DEFAULT 0",
            "told_tokens": "bigint NOT NULL DEFAULT 0",
            "told_cost_micros": "bigint NOT NULL DEFAULT 0",
            # How many trials there were when it was retried: those of them that failed are tried again.
            "retried_trials": "integer NOT NULL DEFAULT 0",
            # The references of the sets of demonstrations that were drawn for it, in their order.
            "demonstration_sets": "jsonb",
        },
        initial={"status": _Run.STATUS_PENDING},
    )
    states = StateMachine(
        "status",
        moves={
            "PENDING": {_CANCEL: "CANCELLED", _PAUSE: "PAUSED", _RESUME: "PENDING", _EXTEND: "PENDING"},
            # One that clients evaluate has no worker that must stop first.
            "RUNNING": {
                _CANCEL: ("CANCELLING", "CANCELLED"),
                _PAUSE: "PAUSED",
                _RESUME: "RUNNING",
                _EXTEND: "RUNNING",
            },
            # One that was never started is left to the first worker again.
            "PAUSED": {_CANCEL: "CANCELLED", _PAUSE: "PAUSED", _RESUME: ("RUNNING", "PENDING"), _EXTEND: "PAUSED"},
            "CANCELLING": {_CANCEL: "CANCELLING"},
            "COMPLETED": {_CANCEL: "COMPLETED", _EXTEND: ("RUNNING", "PENDING")},
            "FAILED": {_CANCEL: "FAILED", _EXTEND: ("RUNNING", "PENDING"), _RETRY: ("RUNNING", "PENDING")},
            "CANCELLED": {_CANCEL: "CANCELLED"},
        },
        internal={
            "PENDING": {"start": "RUNNING", "pause": "PAUSED", "end": ("COMPLETED", "FAILED", "CANCELLED")},
            "RUNNING": {"pause": "PAUSED", "end": ("COMPLETED", "FAILED", "CANCELLED")},
            # One that waits for a model wakes by itself, unless somebody keeps it.
            "PAUSED": {"wake": "RUNNING", "keep": "PAUSED"},
            "CANCELLING": {"end": "CANCELLED"},
        },
        terminal=("CANCELLED",),
        restless=(_EXTEND,),
    )
    computed = {
        "duration_seconds": sql(progressing.duration),
        "progress": sql(progressing.progress, always=True),
        "convergence": batched(figures.converging, needs=("id", "objectives", "max_trials", "end_reason")),
        "estimated_completion": batched(figures.ending, needs=("id", "max_trials", "limits")),
        "objective_statistics": batched(figures.statistics, needs=("id", "objectives")),
        "trial_count": count("trials"),
        "metric_calls": sum_of("trials", "finished_count"),
        "tokens": sum_of("trials", "tokens"),
        "cost_micros": sum_of("trials", "cost_micros"),
    }
    policies = [
        bypass(has_role(Role.ADMIN)),
        bypass(is_service, "Get", "List", "Update"),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", *_VIEWS, allow=owns | of_readable_program),
        policy("Create", "CreateOptimizationRun", _ESTIMATE, allow=signed_in),
        # Whether they may have the program optimized is looked at as for any new run.
        policy(_FORK, allow=owns | of_readable_program),
        # Whether they may change the program is for its own service to say.
        policy(_PROMOTE, allow=owns | of_readable_program),
        policy(_CANCEL, _PAUSE, *_TOLD, *_GROWN, allow=owns | of_owned_program),
        # It goes on in the name of whoever lets it.
        policy(_RESUME, _EXTEND, _RETRY, allow=owns),
    ]


class Trial(Resource[trial_pb2.Trial]):
    """A step of a run: written by its worker, read by whoever may read the run."""

    storage = Storage(
        unique=[("optimization_run_id", "number")],
        indexes=[("optimization_run_id", "status"), ("optimization_run_id", "finish_number")],
        hidden={"lease_seconds": "integer NOT NULL DEFAULT 0"},
        references={"optimization_run_id": "optimization_runs"},
    )
    states = StateMachine(
        "status",
        moves={},
        internal={"RUNNING": {"complete": "COMPLETED", "fail": "FAILED", "cancel": "CANCELLED", "drop": "DROPPED"}},
        terminal=("COMPLETED", "FAILED", "CANCELLED", "DROPPED"),
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        bypass(is_service),
        policy("Get", "List", "GetTrialReports", allow=of_readable(OptimizationRun, "optimization_run_id")),
    ]


RESOURCES: list[type[Resource[Any]]] = [OptimizationRun, Trial]
