"""What a report says in words."""

from collections.abc import Iterator, Sequence

from ashgrove.optimizer.v1.ablation_pb2 import AblationFigure
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_report_pb2 import RunReport

_ENDS = {
    Run.END_REASON_TRIALS: "all of its trials were tried",
    Run.END_REASON_EXHAUSTED: "there was no other configuration to try",
    Run.END_REASON_METRIC_CALLS: "its limit of metric calls was reached",
    Run.END_REASON_TOKENS: "its limit of tokens was reached",
    Run.END_REASON_COST: "its limit of money was reached",
    Run.END_REASON_SECONDS: "its limit of time was reached",
    Run.END_REASON_TARGET: "a trial reached the target",
    Run.END_REASON_PATIENCE: "no better trial had come for long",
}

_UNKNOWN = "What the best is worth on unseen examples is not known"
_NOT_YET = f"{_UNKNOWN} before the run has ended."


def name_of(enum: str, prefix: str) -> str:
    """Returns the name of an enum's value as people write it."""
    return enum.removeprefix(prefix).lower().replace("_", " ")


def number(value: float) -> str:
    """Returns a number to five digits."""
    return f"{value:.5g}"


def end(run: Run) -> str:
    """Returns why a run has ended, or where it stands."""
    status = name_of(Run.Status.Name(run.status), "STATUS_")
    why = run.error or _ENDS.get(run.end_reason, "")
    return f"{status}: {why}" if why else status


def summary(report: RunReport) -> Iterator[str]:
    """Yields what came of a run, the verdict first."""
    run = report.run
    if not report.is_final:
        yield f"The run has not ended: it is {name_of(Run.Status.Name(run.status), 'STATUS_')}."
    if not run.best_trial_id:
        yield "No trial is complete: there is no result."
        return
    yield from _verdict(run) if report.is_final else [_NOT_YET] if run.holdout == Run.HOLDOUT_ON else []
    best = next((each.number for each in report.trials if each.id == run.best_trial_id), 0)
    reached = ", ".join(f"{each.metric} {number(run.best_objectives[each.metric])}" for each in run.objectives)
    seen = "as its client told" if run.evaluator == Run.EVALUATOR_EXTERNAL else "on the validation split"
    yield f"The best of {run.completed_trials} complete trials is number {best}: {reached} {seen}."
    if run.HasField("bootstrap_result"):
        done = run.bootstrap_result
        yield (
            f"Of {done.example_count} training examples {done.accepted_count} were answered well; "
            f"{done.set_count} sets of demonstrations were drawn."
        )
    if run.repeats_result.trials:
        yield from _repeats(run)
    if _is_baseline(run):
        yield "The best is the baseline itself."
    if proven := [each.variable for each in run.ablation_result.variables if _is_proven(each.figures)]:
        yield f"On the validation split a proven part of {run.objectives[0].metric} is due to {', '.join(proven)}."


def _repeats(run: Run) -> Iterator[str]:
    found = run.repeats_result
    if found.rounds:
        yield f"It is named by {found.rounds} fresh evaluations of each of the {len(found.trials)} that looked best."
    if found.error:
        yield f"Of fresh evaluations: {found.error}."


def _is_baseline(run: Run) -> bool:
    look = run.holdout_result
    return bool(look.best_evaluation_id) and look.best_evaluation_id == look.baseline_evaluation_id


def _is_proven(figures: Sequence[AblationFigure]) -> bool:
    first = next(iter(figures), None)
    return first is not None and first.verdict == HoldoutFigure.VERDICT_PROVEN_GAIN


def _verdict(run: Run) -> Iterator[str]:
    look = run.holdout_result
    if look.error:
        yield f"{_UNKNOWN}: {look.error}."
    elif not look.figures:
        yield f"{_UNKNOWN}: the test split was not looked at."
    for figure in look.figures:
        if figure.words:
            which = "worse" if figure.gain < 0 else "better"
            gain = f"{number(abs(figure.gain))} {which} than the baseline"
            interval = f"95 % interval of the gain {number(figure.low)} to {number(figure.high)}"
            yield f"On {figure.paired_count} unseen examples, {figure.metric}: {figure.words} ({gain}, {interval})."
