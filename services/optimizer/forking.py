"""Starting runs, also with what others have found: their complete trials come along and are not paid for again."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CreateOptimizationRunRequest,
    ForkOptimizationRunRequest,
)

from framework.engine import Call
from framework.resource import action
from services.optimizer import external, starting
from services.optimizer.resources import OptimizationRun

_VERB = "ForkOptimizationRun"
_LIKE = (
    *("program_id", "program_revision", "variable_space_id", "dataset_id", "dataset_revision", "objectives"),
    *("parallelism", "schedule", "evaluator", "racing", "repeats", "holdout", "ablation"),
)
"""What a fork has from its run, whatever the request says."""
_Run = pb.OptimizationRun


@action(OptimizationRun, "CreateOptimizationRun")
async def create(call: Call, request: CreateOptimizationRunRequest) -> _Run:
    """Creates a run: what it is about is pinned; see `CreateOptimizationRun` for what is refused."""
    return await _start(call, request.optimization_run)


@action(OptimizationRun, _VERB)
async def fork(call: Call, request: ForkOptimizationRunRequest) -> _Run:
    """Creates a run like another one; see `ForkOptimizationRun` for what is refused."""
    row = await call.row(OptimizationRun, request.id, _VERB)
    return await _start(call, _like(row, await call.get(OptimizationRun, request.id), request))


async def _start(call: Call, wanted: _Run) -> _Run:
    """Creates a run of either kind."""
    is_external = wanted.evaluator == _Run.EVALUATOR_EXTERNAL
    return await (external.start if is_external else starting.start)(call, wanted)


def _like(row: Mapping[str, Any], run: _Run, request: ForkOptimizationRunRequest) -> _Run:
    wanted = _Run(name=request.name, strategy=request.strategy or run.strategy)
    _copy(run, wanted, _LIKE)
    if request.HasField("strategy_configuration") or request.strategy:
        _copy(request, wanted, ("strategy_configuration",))
    else:
        _copy(run, wanted, ("strategy_configuration",))
    _copy(request if request.HasField("limits") else run, wanted, ("limits",))
    wanted.max_trials = request.max_trials or row["planned_trials"] or run.max_trials
    wanted.seed = request.seed if request.HasField("seed") else run.seed
    wanted.variable_space_revision = request.variable_space_revision or run.variable_space_revision
    wanted.forked_from_optimization_run_ids.extend(dict.fromkeys([run.id, *request.optimization_run_ids]))
    return wanted


def _copy(source: Any, target: Any, names: Sequence[str]) -> None:
    """Copies what a message has in fields."""
    for field, value in source.ListFields():
        if field.name not in names:
            continue
        if field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
