"""One trial's evaluation: attach to it, follow it, attach again after every break, until it has ended."""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.dataset_pb2 import SPLIT_VALIDATION, Split
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CancelEvaluationRequest,
    EvaluateProgramRequest,
    ListEvaluationResultsRequest,
    PauseEvaluationRequest,
    RunAllowance,
)
from grpc import StatusCode, aio

from framework.errors import (
    DeadlinePassed,
    DependencyUnavailable,
    Failure,
    GrantLost,
    Unauthenticated,
    WriteConflict,
)
from framework.failpoints import Failpoint
from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer
from framework.structs import struct_of
from services.optimizer.application import Application
from services.optimizer.asking import asking, granted
from services.optimizer.ledger import Ledger
from services.optimizer.metric_params import metric_params
from services.optimizer.objectives import aggregations_of, names_of
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage, noted, usage_of

PROGRESS_SECONDS = 0.5
MOST_FAULTS = 5
"""How often in a row a peer may fail at a trial by a fault of its own before the trial fails."""
ERROR_BUDGET = 0.2
"""Which share of its examples a trial may fail at: beyond it, what the others reached says nothing about the whole."""
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
_FAULTS = (StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.DATA_LOSS, StatusCode.UNIMPLEMENTED)
ATTACHED = Failpoint("trial.attached", "a trial's evaluation goes on, and nothing was heard of it yet")
DROPPING = Failpoint("trial.dropping", "a trial has lost the race, and nothing but its evaluation's pause says so")
# What every evaluation measures, whichever metrics it is asked for.
_MEASURES = ("cost", "latency_ms")


@dataclass
class _Progress:
    usage: Usage
    counted: int = 0
    """How many examples an earlier worker told of: they are not told again, nor is what they took added again."""
    sequence: int = 0
    example_count: int = 0
    told: float = 0.0
    faults: int = 0

    @property
    def finished(self) -> int:
        return max(self.counted, self.sequence)


async def evaluate(
    application: Application,
    ledger: Ledger,
    run: dict[str, Any],
    trial: dict[str, Any],
    results: list[execution_pb2.EvaluationResult] | None = None,
    split: Split.ValueType = SPLIT_VALIDATION,
) -> Outcome:
    """Returns how the trial's evaluation ended; raises GrantLost when the run may no longer act.

    With a list for the examples' results it is an evaluation aside from the trials: no trial tells of it.

    A peer that is down is waited for: the evaluation goes on there, and is attached to again by its id. One that
    fails by a fault of its own is asked again a few times, then the trial fails.
    """
    progress, failures = _Progress(noted(trial), trial["finished_count"], 0, trial["example_count"]), 0
    # A race is judged by every example, whichever worker saw it; else there is nothing to learn of the earlier ones.
    progress.sequence = 0 if ledger.race.is_on else progress.counted
    while True:
        try:
            ended = await _attached(application, ledger, run, trial, progress, results, split)
            if isinstance(ended, Outcome) and ended.waits_for and results is not None:
                failures += 1  # nothing else could go on meanwhile
            elif ended is not None:
                return ended if isinstance(ended, Outcome) else _outcome(ended, ledger, run)
            else:
                failures = 0
        except GrantLost:
            raise
        except (DependencyUnavailable, DeadlinePassed, Unauthenticated, WriteConflict) as failure:
            application.tokens.forget(str(run["grant_id"]))
            failures += 1
            progress.faults += _is_fault(failure)
            if progress.faults >= MOST_FAULTS:
                return _failed("the program service failed at this trial", progress, "ERROR_CLASS_INTERNAL")
        except Failure as refused:
            return _failed(refused.message, progress)
        await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])


def _is_fault(failure: Failure) -> bool:
    """Tells whether the peer answered, and failed; one that is away does not answer."""
    cause = failure.__cause__
    return isinstance(cause, aio.AioRpcError) and cause.code() in _FAULTS


def _failed(error: str, progress: _Progress, error_class: str = "ERROR_CLASS_UNSPECIFIED") -> Outcome:
    return Outcome({}, error, error_class, progress.finished, progress.example_count, progress.usage)


async def _attached(
    application: Application,
    ledger: Ledger,
    run: dict[str, Any],
    trial: dict[str, Any],
    progress: _Progress,
    results: list[execution_pb2.EvaluationResult] | None,
    split: Split.ValueType,
) -> execution_pb2.Evaluation | Outcome | None:
    """Follows the evaluation's stream; returns the evaluation when it has ended, None when only the stream has.

    A trial that loses the run's race is dropped: its evaluation is paused, and the outcome returned.
    """
    token = await application.tokens.exchange(str(run["grant_id"]))
    request = _request(run, trial, progress.sequence)
    request.split = split
    with granted("program"):
        async for frame in application.program.EvaluateProgram(request, metadata=as_caller(token)):
            ATTACHED()
            kind = frame.WhichOneof("frame")
            if frame.HasField("evaluation"):
                progress.example_count = frame.evaluation.example_count
            if kind == "item":
                progress.sequence, progress.faults = frame.item.sequence, 0
                if new := frame.item.sequence > progress.counted:
                    progress.usage.add(frame.item)
                    ledger.spending.note(trial["id"], progress.usage)
                if results is not None:
                    results.append(frame.item)
                    continue
                if (verdict := ledger.race.note(trial["number"], frame.item)).dropped:
                    # Not cancelled before it is written down: whoever took the run over would find that it failed.
                    await pause(application, token, str(trial["evaluation_id"]))
                    DROPPING()
                    return _dropped(ledger, trial, progress, verdict.lost_to)
                if new:
                    await _tell(ledger, trial, progress)
            if kind == "end" and frame.evaluation.status in _ENDED:
                return frame.evaluation  # type: ignore[no-any-return]
            if kind == "end" and frame.evaluation.status == execution_pb2.WORK_STATUS_PAUSED and frame.evaluation.error:
                return replace(_failed("", progress), waits_for=frame.evaluation.error)
    return None


async def results_of(
    application: Application, run: Mapping[str, Any], evaluation_id: str
) -> list[execution_pb2.EvaluationResult]:
    """Returns what each example gave in an evaluation that has ended; raises GrantLost as `evaluate` does.

    A peer that is down is waited for.
    """
    found: list[execution_pb2.EvaluationResult] = []
    request = ListEvaluationResultsRequest(evaluation_id=evaluation_id, page_size=1000)
    request.read_mask.paths.extend(("example_id", "scores", "error", "cost_micros", "latency_ms"))
    while True:
        page = await asking(
            application,
            run,
            "program",
            lambda caller: application.program.ListEvaluationResults(request, metadata=caller),
        )
        found += page.evaluation_results
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def _dropped(ledger: Ledger, trial: dict[str, Any], progress: _Progress, lost_to: int) -> Outcome:
    expected = ledger.race.expected(trial["number"])
    counts = progress.finished, progress.example_count
    return Outcome(expected, "", "ERROR_CLASS_UNSPECIFIED", *counts, progress.usage, lost_to=lost_to)


async def pause(application: Application, token: str, evaluation_id: str) -> None:
    """Pauses an evaluation, best effort: one that is missed pauses by itself when nobody was attached for a minute."""
    with suppress(Failure), from_peer("program"):
        request = PauseEvaluationRequest(id=evaluation_id)
        await application.program.PauseEvaluation(request, metadata=as_caller(token), timeout=2.0)


async def cancel(application: Application, token: str, evaluation_id: str) -> None:
    """Cancels an evaluation, best effort: one that nobody attaches to any more is paused after a minute."""
    with suppress(Failure), from_peer("program"):
        request = CancelEvaluationRequest(id=evaluation_id)
        await application.program.CancelEvaluation(request, metadata=as_caller(token), timeout=2.0)


_ENDED = {
    execution_pb2.WORK_STATUS_COMPLETED,
    execution_pb2.WORK_STATUS_FAILED,
    execution_pb2.WORK_STATUS_CANCELLED,
}


async def _tell(ledger: Ledger, trial: dict[str, Any], progress: _Progress) -> None:
    now = time.monotonic()
    if now - progress.told >= PROGRESS_SECONDS:
        progress.told = now
        await ledger.progress(trial, progress.sequence, progress.example_count, progress.usage)


def _request(run: dict[str, Any], trial: dict[str, Any], after: int) -> EvaluateProgramRequest:
    metrics = [name for name in names_of(run) if name not in _MEASURES]
    return EvaluateProgramRequest(
        program_id=str(run["program_id"]),
        program_revision=run["program_revision"],
        dataset_id=str(run["dataset_id"]),
        dataset_revision=run["dataset_revision"],
        configuration=struct_of(trial["configuration"]),
        metrics=metrics,
        metric_params=struct_of(metric_params(run)),
        seed=run["seed"],
        evaluation_id=str(trial["evaluation_id"]),
        from_sequence=after,
        repeat=trial["repeat"],
        run_id=str(run["id"]),
        error_budget=ERROR_BUDGET,
        run_allowance=allowance(run["limits"] or {}),
    )


def allowance(limits: Mapping[str, Any]) -> RunAllowance:
    """Returns what the program service holds all evaluations of a run to: to the example, while we hear of it later."""
    names = (each.name for each in RunAllowance.DESCRIPTOR.fields)
    return RunAllowance(**{name: int(limits[name]) for name in names if name in limits})


def _outcome(evaluation: execution_pb2.Evaluation, ledger: Ledger, run: dict[str, Any]) -> Outcome:
    finished, examples, usage = evaluation.finished_count, evaluation.example_count, usage_of(evaluation)
    if evaluation.error_class == execution_pb2.ERROR_CLASS_RUN_LIMIT:
        ledger.spending.reached()
        return Outcome({}, evaluation.error, "ERROR_CLASS_BUDGET", finished, examples, usage)
    if evaluation.status != execution_pb2.WORK_STATUS_COMPLETED:
        error_class = execution_pb2.ErrorClass.Name(evaluation.error_class)
        return Outcome({}, evaluation.error or "the evaluation was cancelled", error_class, finished, examples, usage)
    known = _measured(evaluation, run)
    missing = [name for name in names_of(run) if not math.isfinite(known.get(name, math.nan))]
    if missing:
        error = f"the evaluation has no value of {', '.join(missing)}"
        return Outcome({}, error, "ERROR_CLASS_METRIC", finished, examples, usage)
    reached = {name: known[name] for name in names_of(run)}
    return Outcome(reached, finished_count=finished, example_count=examples, usage=usage)


def _measured(evaluation: execution_pb2.Evaluation, run: dict[str, Any]) -> dict[str, float]:
    known = dict(evaluation.scores)
    known["cost"] = evaluation.cost_micros / max(1, evaluation.example_count)
    tail = aggregations_of(run).get("latency_ms") == "AGGREGATION_P95"
    known["latency_ms"] = evaluation.latency_p95_ms if tail else evaluation.latency_p50_ms
    return known
