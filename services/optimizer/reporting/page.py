"""A report as one HTML page that needs nothing else, and in which nothing that anybody wrote is more than text."""

from ashgrove.optimizer.v1.optimization_run_pb2 import Objective
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_report_pb2 import RunReport

from services.optimizer.reporting import earning, searching, trying
from services.optimizer.reporting.elements import Html, tag, together
from services.optimizer.reporting.style import STYLE
from services.optimizer.reporting.words import name_of

# For a page that was saved; one that is served has the same in its headers.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: RunReport) -> str:
    """Returns the page of a report."""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{report.run.name or report.run.id} · report"),
        tag("style", Html(STYLE)),
    ]
    body = tag("body", tag("main", _header(report), _summary(report), *_sections(report)))
    return f'<!doctype html><html lang="en"><head>{together(head)}</head>{body}</html>'


def _sections(report: RunReport) -> list[Html]:
    parts = [
        *earning.sections(report),
        *searching.sections(report),
        *trying.sections(report),
    ]
    if report.missing:
        parts.append(tag("section", tag("h2", "What is not here"), [tag("p", each) for each in report.missing]))
    return parts


def _header(report: RunReport) -> Html:
    run = report.run
    strategy = name_of(Run.Strategy.Name(run.strategy), "STRATEGY_")
    aims = ", ".join(_aim(each) for each in run.objectives)
    times = f"{run.started_at.ToJsonString()[:19]} to {run.completed_at.ToJsonString()[:19]} UTC"
    return tag(
        "header",
        tag("h1", run.name or run.id),
        tag("p", f"Run {run.id} · {report.end}"),
        tag("p", f"{strategy} over {aims}"),
        tag("p", times if report.is_final and run.HasField("started_at") else "not final"),
    )


def _aim(objective: Objective) -> str:
    falling = objective.direction == Objective.DIRECTION_MINIMIZE
    return f"{objective.metric} {'↓' if falling else '↑'}"


def _summary(report: RunReport) -> Html:
    return tag("section", [tag("p", each) for each in report.summary], class_="summary")
