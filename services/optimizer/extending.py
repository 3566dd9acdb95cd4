"""Extending a run, and retrying one that has failed: it goes on where it was, with what it has learned."""

from collections.abc import Iterator, Mapping
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    ExtendOptimizationRunRequest,
    RetryOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.plain import plain
from framework.resource import action
from services.optimizer.continuing import ALL_TRIALS, Going, go_on
from services.optimizer.objectives import objectives_of
from services.optimizer.resources import ENDED, OptimizationRun, is_external
from services.optimizer.spending import limit_reached, used_by

_EXTEND = "ExtendOptimizationRun"
_RETRY = "RetryOptimizationRun"
_COUNTED = ("metric_calls", "tokens", "cost_micros", "seconds", "patience")
_ENDED_BY = {
    "END_REASON_TRIALS": "max_trials",
    "END_REASON_METRIC_CALLS": "limits.metric_calls",
    "END_REASON_TOKENS": "limits.tokens",
    "END_REASON_COST": "limits.cost_micros",
    "END_REASON_SECONDS": "limits.seconds",
    "END_REASON_TARGET": "limits.target",
    "END_REASON_PATIENCE": "limits.patience",
}
_SPENT = ("END_REASON_METRIC_CALLS", "END_REASON_TOKENS", "END_REASON_COST", "END_REASON_SECONDS")
Row = Mapping[str, Any]


@action(OptimizationRun, _EXTEND)
async def extend(call: Call, request: ExtendOptimizationRunRequest) -> pb.OptimizationRun:
    """Returns the run under its new limits; see `ExtendOptimizationRun` for what is refused."""
    return await go_on(call, request.id, _EXTEND, lambda row: _extended(row, request))


@action(OptimizationRun, _RETRY)
async def retry(call: Call, request: RetryOptimizationRunRequest) -> pb.OptimizationRun:
    """Returns the failed run on its way again; raises IllegalState where there is nothing left to spend."""
    row = await call.row(OptimizationRun, request.id, _RETRY)
    if is_external(row):
        raise IllegalState("the trials of this run are its clients': extend the run to go on", evaluator="EXTERNAL")
    async with call.transaction() as tx:
        spent = limit_reached(row["limits"] or {}, await used_by(tx, row))
    if spent:
        raise IllegalState(f"the run's {_ENDED_BY[spent]} is reached: extend it", status="FAILED", reason=spent)
    going = Going(RunEvent.TYPE_RUN_RETRIED, {"retried_trials": ALL_TRIALS})
    return await go_on(call, request.id, _RETRY, lambda _: going)


def _extended(row: Row, request: ExtendOptimizationRunRequest) -> Going:
    given, columns = dict(_given(request)), dict[str, Any]()
    if faults := [*_faults(row, given, request.ablation), *_ablation_faults(row, given, request.ablation)]:
        raise InvalidFields(*faults)
    if request.max_trials:
        columns = {"max_trials": request.max_trials, "planned_trials": row["planned_trials"] or row["max_trials"]}
    columns["limits"] = Jsonb({**(row["limits"] or {}), **plain(request.limits)})
    if request.ablation:
        columns["ablation"] = pb.OptimizationRun.Ablation.Name(request.ablation)
    if row["status"] == "STATUS_FAILED":
        columns["retried_trials"] = ALL_TRIALS
    return Going(RunEvent.TYPE_RUN_EXTENDED, columns, rested=row["status"] in ENDED)


def _given(request: ExtendOptimizationRunRequest) -> Iterator[tuple[str, float]]:
    if request.max_trials:
        yield "max_trials", request.max_trials
    for name in _COUNTED:
        if value := getattr(request.limits, name):
            yield f"limits.{name}", value
    if request.limits.HasField("target"):
        yield "limits.target", request.limits.target


def _ablation_faults(row: Row, given: Mapping[str, float], ablation: int) -> Iterator[FieldViolation]:
    """Yields why a run cannot be ablated otherwise than it was to be."""
    if not ablation:
        return
    if is_external(row):
        yield FieldViolation("ablation", "must be left out: the run's clients evaluate themselves")
    elif not given and row["status"] == "STATUS_FAILED":
        yield FieldViolation("ablation", "is of a best, which a failed run has not: retry it, or extend it besides")
    elif not given and row["end_reason"] in _SPENT:
        yield FieldViolation(_ENDED_BY[row["end_reason"]], "leaves nothing for it: it must be raised")


def _faults(row: Row, given: Mapping[str, float], ablation: int) -> Iterator[FieldViolation]:
    if ablation and not given:  # which takes no further trial
        return
    if not given:
        yield FieldViolation("max_trials", "say what to extend: this, one of limits, or ablation")
    for path, value in given.items():
        if why := _unfit(row, path, value):
            yield FieldViolation(path, why)
    if row["end_reason"] == "END_REASON_EXHAUSTED":
        raise IllegalState("the strategy has no other configuration to try; start another run", status="COMPLETED")
    needed = _ENDED_BY.get(row["end_reason"], "")
    if given and needed and needed not in given:
        yield FieldViolation(needed, "ended the run: it must be raised")


def _unfit(row: Row, path: str, value: float) -> str:
    """Returns why a limit cannot take the place of the run's own; nothing when it can."""
    name = path.removeprefix("limits.")
    limits = {"max_trials": row["max_trials"], **(row["limits"] or {})}
    now = limits.get(name)
    if now is None or (not now and name != "target"):
        return "the run has no such limit: leave it out"
    if name == "target":
        primary = objectives_of(row)[0]
        return "" if primary.better(value, now) else f"must be better than the run's, which is {now:g}"
    return "" if value > int(now) else f"must be above the run's, which is {int(now)}"
