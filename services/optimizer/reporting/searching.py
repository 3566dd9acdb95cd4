"""The sections on how a run searched: trial by trial, its front, its convergence, which variables mattered."""

from collections.abc import Iterator

from ashgrove.optimizer.v1.pareto_front_pb2 import ParetoFront
from ashgrove.optimizer.v1.run_figures_pb2 import Convergence
from ashgrove.optimizer.v1.run_report_pb2 import ReportedTrial, RunReport
from ashgrove.optimizer.v1.trial_pb2 import Trial
from google.protobuf.struct_pb2 import Struct

from framework.structs import values_of
from services.optimizer.reporting import charts
from services.optimizer.reporting.charts import Dot
from services.optimizer.reporting.elements import NOTHING, Html, table, tag
from services.optimizer.reporting.words import name_of, number


def sections(report: RunReport) -> Iterator[Html]:
    """Yields the drawings and statistics, the front and the importance, where there are any."""
    yield _search(report)
    if len(report.front.points) > 1 or len(report.run.objectives) > 1:
        yield _front(report)
    if report.importance.effects:
        yield _importance(report)


def _search(report: RunReport) -> Html:
    run = report.run
    drawn = [_by_number(report), *_two_objectives(report), *_volume(report)]
    spread = [
        [each.metric, each.count, *(number(getattr(each, name)) if each.count else NOTHING for name in _SPREAD)]
        for each in run.objective_statistics
    ]
    return tag(
        "section",
        tag("h2", "The search"),
        tag("div", drawn, class_="charts"),
        tag("p", f"{_LEGEND} {_converged(run.convergence)}", class_="note"),
        table(("objective", "trials", "best", "worst", "mean", "median", "deviation"), spread),
    )


_LEGEND = "The best is ringed, coloured dots are on the front, hollow ones were dropped."
_SPREAD = ("best", "worst", "mean", "p50", "stddev")


def _converged(found: Convergence) -> str:
    status = name_of(Convergence.Status.Name(found.status), "STATUS_")
    score = f" {found.score:.0%} of all that was gained came before the last window." if found.HasField("score") else ""
    return f"Convergence: {status}, by {found.followed} and windows of {found.window} trials.{score}"


def _by_number(report: RunReport) -> Html:
    first = report.run.objectives[0]
    falling = first.direction == first.DIRECTION_MINIMIZE
    dots, line = [], []
    best: float | None = None
    for each in report.trials:
        if first.metric not in each.objectives:
            continue
        value = each.objectives[first.metric]
        dots.append(Dot(each.number, value, _kind(report, each), f"trial {each.number}: {number(value)}"))
        if each.status == Trial.STATUS_COMPLETED and (best is None or (value < best if falling else value > best)):
            best = value
        if best is not None:
            line.append((float(each.number), best))
    return charts.plot(dots, line, "trial", first.metric)


def _two_objectives(report: RunReport) -> Iterator[Html]:
    if len(report.run.objectives) < 2:
        return
    one, other = (each.metric for each in report.run.objectives[:2])
    dots = [
        Dot(each.objectives[other], each.objectives[one], _kind(report, each), f"trial {each.number}")
        for each in report.trials
        if one in each.objectives and other in each.objectives
    ]
    yield charts.plot(dots, [], other, one)


def _volume(report: RunReport) -> Iterator[Html]:
    known = [each for each in report.front.history if each.HasField("hypervolume")]
    # By time, since trials end in another order than that of their numbers.
    began = report.run.started_at.ToNanoseconds()
    line = [((each.at.ToNanoseconds() - began) / 1e9, each.hypervolume) for each in known]
    if len(line) > 1:
        is_exact = not any(each.HasField("hypervolume_margin") for each in known)
        yield charts.plot([], line, "seconds", "hypervolume" if is_exact else "hypervolume, estimated")


def _kind(report: RunReport, trial: ReportedTrial) -> str:
    if trial.id == report.run.best_trial_id:
        return "best"
    if trial.status == Trial.STATUS_DROPPED:
        return "dropped"
    return "front" if trial.on_front else "trial"


def _front(report: RunReport) -> Html:
    names = [each.metric for each in report.run.objectives]
    rows = [
        [each.trial_number, *(number(each.objectives[name]) for name in names), _values(each.configuration)]
        for each in report.front.points
    ]
    changes = f"The front after {len(report.front.history)} changes"
    left_out = f"; {report.front.evicted_count} more were crowded out" if report.front.evicted_count else ""
    return tag(
        "section",
        tag("h2", "What no other trial beats in every objective"),
        table(("trial", *names, "values"), rows),
        tag("p", f"{changes}{left_out}.{_hypervolume(report.front)}", class_="note"),
    )


def _hypervolume(front: ParetoFront) -> str:
    if not front.HasField("hypervolume"):
        return ""
    estimated = f" ± {number(front.hypervolume_margin)} at 95 %, estimated"
    return f" Its hypervolume is {number(front.hypervolume)}{estimated * front.HasField('hypervolume_margin')}."


def _values(configuration: Struct) -> Html:
    plain = values_of(configuration).items()
    said = (f"{name} {number(value) if isinstance(value, float) else value}" for name, value in plain)
    return tag("code", ", ".join(said))


def _importance(report: RunReport) -> Html:
    found = report.importance
    rows = [
        [
            tag("code", each.variable),
            f"{each.estimate.share:.1%}",
            charts.share(each.estimate.share),
            f"{each.estimate.low:.1%} to {each.estimate.high:.1%}",
        ]
        for each in found.effects
    ]
    return tag(
        "section",
        tag("h2", f"Which variables matter for {found.objective}"),
        table(("variable", "share", "", f"{found.interval:.0%} interval"), rows),
        tag("p", f"By PED-ANOVA over {found.trial_count} complete trials.", class_="note"),
    )
