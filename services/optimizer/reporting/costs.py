"""What a run used of what it may, its trials and what came behind them."""

from collections.abc import Iterator

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_report_pb2 import ReportedLimit, ReportedUsage
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationsRequest

from framework.engine import Call
from framework.rpc.peer_failures import from_peer

_LIMITED = ("metric_calls", "tokens", "cost_micros")


def usage(run: Run) -> list[ReportedUsage]:
    """Returns what trials, repeats, last look and ablation used, and all of it together, last."""
    parts = [_usage("trials", run)]
    if run.HasField("bootstrap_result"):
        done = run.bootstrap_result
        parts.append(_usage("bootstrap", done, metric_calls=done.example_count))
    if run.HasField("repeats_result"):
        parts.append(_usage("repeats", run.repeats_result))
    if run.HasField("holdout_result"):
        look = run.holdout_result
        looked = len({look.baseline_evaluation_id, look.best_evaluation_id}) * look.example_count
        parts.append(_usage("last look", look, metric_calls=looked))
    if run.HasField("ablation_result"):
        parts.append(_usage("ablation", run.ablation_result))
    total = {name: sum(getattr(each, name) for each in parts) for name in _LIMITED}
    return [*parts, ReportedUsage(what="total", **total)]


def _usage(what: str, used: object, **known: int) -> ReportedUsage:
    return ReportedUsage(what=what, **{name: known.get(name, getattr(used, name, 0)) for name in _LIMITED})


def limits(run: Run, total: ReportedUsage) -> Iterator[ReportedLimit]:
    """Yields how much of `max_trials` and of each limit is used."""
    ended = run.completed_trials + run.failed_trials + run.dropped_trials
    yield ReportedLimit(name="max_trials", most=run.max_trials, used=ended)
    for name in _LIMITED:
        if most := getattr(run.limits, name):
            yield ReportedLimit(name=name, most=most, used=getattr(total, name))
    if run.limits.seconds:
        yield ReportedLimit(name="seconds", most=run.limits.seconds, used=run.duration_seconds)


async def incomplete(call: Call, run: Run) -> bool:
    """Tells whether an evaluation of the run says that its cost is not exact; what clients report is what they say."""
    if run.evaluator == Run.EVALUATOR_EXTERNAL:
        return False
    asked = ListEvaluationsRequest(
        program_id=run.program_id, filter=f'run_id = "{run.id}" AND cost_incomplete = true', page_size=1
    )
    asked.read_mask.paths.append("id")
    with from_peer("program"):
        found = await call.application.program.ListEvaluations(asked)
    return bool(found.evaluations)
