"""Optimization runs and trials: read by whoever may read their program, moved by their verbs and workers only."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ashgrove.areas import OptimizerArea
from ashgrove.optimizer.v1 import external_requests_pb2 as external_pb
from ashgrove.optimizer.v1 import optimization_run_pb2, pareto_front_pb2, run_report_pb2, trial_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CancelOptimizationRunRequest,
    CreateOptimizationRunRequest,
    ExtendOptimizationRunRequest,
    ForkOptimizationRunRequest,
    GetBestConfigurationRequest,
    GetBestConfigurationResponse,
    GetParetoFrontRequest,
    PauseOptimizationRunRequest,
    PromoteOptimizationRunRequest,
    PromoteOptimizationRunResponse,
    ResumeOptimizationRunRequest,
    RetryOptimizationRunRequest,
    WatchOptimizationRunRequest,
    WatchOptimizationRunResponse,
)
from ashgrove.optimizer.v1.pushed_trials_pb2 import PushTrialsRequest, PushTrialsResponse
from ashgrove.optimizer.v1.run_comparison_pb2 import CompareOptimizationRunsRequest, CompareOptimizationRunsResponse
from ashgrove.optimizer.v1.run_estimate_pb2 import EstimateOptimizationRunRequest, EstimateOptimizationRunResponse
from ashgrove.optimizer.v1.variable_importance_pb2 import AnalyzeVariableImportanceRequest, VariableImportance
from google.api.httpbody_pb2 import HttpBody

from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, IllegalState, InvalidFields, NoResultYet
from framework.policy import WRITES, bypass, has_role, is_service, owns, policy, signed_in
from framework.query.aggregates import count, sum_of
from framework.query.formulas import batched, sql
from framework.resource import Registry, Resource, StateMachine, Storage, action
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

    @action("CreateOptimizationRun")
    async def start(self, call: Call, request: CreateOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Pins what the run is about, grants it to act for the caller, and wakes a worker."""
        from services.optimizer import forking  # it acts on this very resource

        return await forking.start(call, request.optimization_run)

    @action("WatchOptimizationRun")
    async def watch(
        self, call: Call, request: WatchOptimizationRunRequest
    ) -> AsyncIterator[WatchOptimizationRunResponse]:
        """Replays the run's story, then follows it."""
        from services.optimizer import watching  # it reads this very resource

        async for frame in watching.frames(call, request.id, request.from_sequence):
            yield frame

    @action(_CANCEL)
    async def cancel(self, call: Call, request: CancelOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Stops the run; one that nobody works on ends at once, others within a second."""
        from services.optimizer import cancelling  # it acts on this very resource

        return await cancelling.cancel(call, request.id)

    @action(_PAUSE)
    async def pause(self, call: Call, request: PauseOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Takes the run from its worker and keeps it from others until it is resumed."""
        from services.optimizer import pausing  # it acts on this very resource

        return await pausing.pause(call, request.id)

    @action(_RESUME)
    async def resume(self, call: Call, request: ResumeOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Lets a worker take the paused run again, in the caller's name."""
        from services.optimizer import pausing  # it acts on this very resource

        return await pausing.resume(call, request.id)

    @action(_ESTIMATE)
    async def estimate(self, call: Call, request: EstimateOptimizationRunRequest) -> EstimateOptimizationRunResponse:
        """Says what a run would take; a probe is the caller's to pay."""
        from services.optimizer import estimating  # it looks at what starting looks at

        return await estimating.estimate(call, request)

    @action(_COMPARE)
    async def compare(self, call: Call, request: CompareOptimizationRunsRequest) -> CompareOptimizationRunsResponse:
        """Lays runs that the caller may read beside each other."""
        from services.optimizer import comparing  # it reads this very resource

        return await comparing.compare(call, request)

    @action(_FORK)
    async def fork(self, call: Call, request: ForkOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Starts a run like this one, with what it has found."""
        from services.optimizer import forking  # it acts on this very resource

        return await forking.fork(call, request)

    @action(_EXTEND)
    async def extend(self, call: Call, request: ExtendOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Raises limits of the run; one that they ended goes on, in the caller's name."""
        from services.optimizer import extending  # it acts on this very resource

        return await extending.extend(call, request)

    @action(_RETRY)
    async def retry(self, call: Call, request: RetryOptimizationRunRequest) -> optimization_run_pb2.OptimizationRun:
        """Lets a worker take the failed run again, in the caller's name."""
        from services.optimizer import extending  # it acts on this very resource

        return await extending.retry(call, request.id)

    @action("SuggestTrials")
    async def suggest(self, call: Call, request: external_pb.SuggestTrialsRequest) -> external_pb.SuggestTrialsResponse:
        """Gives a client trials under a lease."""
        from services.optimizer import external  # it acts on this very resource

        return await external.suggest(call, request)

    @action("PushTrials")
    async def push(self, call: Call, request: PushTrialsRequest) -> AsyncIterator[PushTrialsResponse]:
        """Sends a client its trials as they become free."""
        from services.optimizer import external  # it acts on this very resource

        async for frame in external.frames(call, request):
            yield frame

    @action("CompleteTrials")
    async def complete(
        self, call: Call, request: external_pb.CompleteTrialsRequest
    ) -> external_pb.CompleteTrialsResponse:
        """Notes how a client's trials ended."""
        from services.optimizer import external  # it acts on this very resource

        return await external.complete(call, request)

    @action("RenewTrials")
    async def renew(self, call: Call, request: external_pb.RenewTrialsRequest) -> external_pb.RenewTrialsResponse:
        """Keeps trials with their client for longer."""
        from services.optimizer import external  # it acts on this very resource

        return await external.renew(call, request)

    @action("ReportMeasurements")
    async def measured(
        self, call: Call, request: external_pb.ReportMeasurementsRequest
    ) -> external_pb.ReportMeasurementsResponse:
        """Notes what a client's trial has reached so far."""
        from services.optimizer import external  # it acts on this very resource

        return await external.report_measurements(call, request)

    @action("ReportExamples")
    async def exemplified(
        self, call: Call, request: external_pb.ReportExamplesRequest
    ) -> external_pb.ReportExamplesResponse:
        """Notes examples of a client's trial."""
        from services.optimizer import external  # it acts on this very resource

        return await external.report_examples(call, request)

    @action("ExtendSpace")
    async def grow(self, call: Call, request: external_pb.ExtendSpaceRequest) -> external_pb.ExtendSpaceResponse:
        """Adds what a client asks for to the run's space."""
        from services.optimizer import external  # it acts on this very resource

        return await external.extend(call, request)

    @action("ImportTrials")
    async def take_over(self, call: Call, request: external_pb.ImportTrialsRequest) -> external_pb.ImportTrialsResponse:
        """Takes over trials that were made elsewhere."""
        from services.optimizer import external  # it acts on this very resource

        return await external.import_trials(call, request)

    @action("GetParetoFront")
    async def front(self, call: Call, request: GetParetoFrontRequest) -> pareto_front_pb2.ParetoFront:
        """Returns the run's Pareto front with its history."""
        from services.optimizer import front, selecting  # they read this very resource

        run = await call.row(OptimizationRun, request.id, "GetParetoFront")
        return selecting.thinned(run, await front.read(call, run), request.epsilons)

    @action(_IMPORTANCE)
    async def importance(self, call: Call, request: AnalyzeVariableImportanceRequest) -> VariableImportance:
        """Says which variables mattered in runs that the caller may read."""
        from services.optimizer import analyzing  # it reads this very resource

        return await analyzing.analyze(call, request)

    @action("GetRunReport")
    async def report(self, call: Call, request: run_report_pb2.GetRunReportRequest) -> run_report_pb2.RunReport:
        """Returns what became of the run."""
        from services.optimizer import reporting  # it reads this very resource

        return await reporting.report(call, request.id, "GetRunReport")

    @action("GetRunReportPage")
    async def page(self, call: Call, request: run_report_pb2.GetRunReportPageRequest) -> HttpBody:
        """Returns what became of the run as a page."""
        from services.optimizer import reporting  # it reads this very resource

        found = await reporting.report(call, request.id, "GetRunReportPage")
        drawn = await asyncio.to_thread(reporting.page, found)
        return HttpBody(content_type="text/html; charset=utf-8", data=drawn.encode())

    @action(_PROMOTE)
    async def promote(self, call: Call, request: PromoteOptimizationRunRequest) -> PromoteOptimizationRunResponse:
        """Puts what the run found into its program, as the caller."""
        from services.optimizer.promoting import promoted

        run = await call.get(OptimizationRun, request.id, verb=_PROMOTE)
        if not run.program_id:
            raise IllegalState("this run names no program that its result could be put into", resource="program")
        if not (request.trial_id or run.best_trial_id):
            raise NoResultYet(NOTHING_YET, run_id=run.id)
        trial = await call.get(Trial, request.trial_id or run.best_trial_id)
        if trial.optimization_run_id != run.id:
            raise InvalidFields(FieldViolation("trial_id", "is a trial of another run"))
        return await promoted(call, run, trial, request)

    @action("GetBestConfiguration")
    async def best(self, call: Call, request: GetBestConfigurationRequest) -> GetBestConfigurationResponse:
        """Returns the best trial's values by the first objective, or one of the front by the rule that is named."""
        from services.optimizer import selecting  # it reads this very resource

        return await selecting.selected(call, request)


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

    @action("GetTrialReports")
    async def reports(
        self, call: Call, request: external_pb.GetTrialReportsRequest
    ) -> external_pb.GetTrialReportsResponse:
        """Returns what clients reported of the trial."""
        from services.optimizer import external  # it reads this very resource

        return await external.reports(call, request)


RESOURCES: list[type[Resource[Any]]] = [OptimizationRun, Trial]


def registry() -> Registry:
    """Returns the verified declarations of the optimizer service."""
    return Registry("optimizer", RESOURCES, *OptimizerArea.services())
