"""The sections on what was tried: the candidates example by example, the trials, and what they follow from."""

from collections.abc import Iterator

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_report_pb2 import CandidateMatrix, RunReport
from ashgrove.optimizer.v1.trial_pb2 import Trial
from ashgrove.program.v1.evaluation_requests_pb2 import MatrixCell
from ashgrove.program.v1.execution_pb2 import ErrorClass

from services.optimizer.reporting.elements import NOTHING, Html, table, tag
from services.optimizer.reporting.words import name_of, number

MOST_TRIALS = 200
_SHADES = 4
_FAILED = "\N{MULTIPLICATION SIGN}"


def sections(report: RunReport) -> Iterator[Html]:
    """Yields the matrix where there is one, what the run can be replayed from, and its trials."""
    if report.matrix.rows:
        yield _matrix(report.matrix)
    yield _replay(report.run)
    if report.trials:
        yield _trials(report)


def _matrix(found: CandidateMatrix) -> Html:
    scores = [cell.score for row in found.rows for cell in row.cells if cell.HasField("score")]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    rows = [[str(row.position), *(_cell(cell, low, high) for cell in row.cells)] for row in found.rows]
    more = f" The first {len(found.rows)} examples are shown." if found.truncated else ""
    return tag(
        "section",
        tag("h2", f"The candidates, example by example: {found.metric}"),
        table(("example", *(f"trial {each}" for each in found.trial_numbers)), rows, class_="heat"),
        tag("p", f"The best, then those of the front, then others by their standing.{more}", class_="note"),
    )


def _cell(cell: MatrixCell, low: float, high: float) -> Html:
    if cell.HasField("score"):
        part = (cell.score - low) / (high - low) if high > low else 1.0
        return tag("td", number(cell.score), class_=f"h{round(part * _SHADES)}")
    kind = name_of(ErrorClass.Name(cell.error_class), "ERROR_CLASS_")
    return tag("td", _FAILED, class_="lost", title=kind) if cell.finished else tag("td", "·")


def _replay(run: Run) -> Html:
    rows = [
        ["strategy", name_of(Run.Strategy.Name(run.strategy), "STRATEGY_")],
        ["schedule", f"{name_of(Run.Schedule.Name(run.schedule), 'SCHEDULE_')}, {run.parallelism} at a time"],
        ["seed", tag("code", run.seed)],
        ["program", _pinned(run.program_id, run.program_revision)],
        ["space", _pinned(run.variable_space_id, run.variable_space_revision)],
        ["dataset", _pinned(run.dataset_id, run.dataset_revision)],
    ]
    return tag(
        "section",
        tag("h2", "What it can be had again from"),
        table(("", ""), rows),
        tag(
            "p",
            "A suggestion follows from its seed, from the trials that informed it, which each trial names, and from "
            "the sampler's version, on the same lock file and kind of processor.",
            class_="note",
        ),
    )


def _pinned(identifier: str, revision: int) -> Html:
    return tag("code", f"{identifier} at revision {revision}" if identifier else "none")


def _trials(report: RunReport) -> Html:
    names = [each.metric for each in report.run.objectives]
    rows = [
        [
            each.number,
            name_of(Trial.Status.Name(each.status), "STATUS_"),
            *(number(each.objectives[name]) if name in each.objectives else NOTHING for name in names),
            tag("code", each.seed),
            tag("code", each.sampler_version),
            tag("code", each.content_hash[:12]),
            each.error,
        ]
        for each in report.trials[:MOST_TRIALS]
    ]
    left = report.run.trial_count - len(rows)
    more = tag("p", f"{left} more are in the list of the run's trials.", class_="note") if left > 0 else ""
    return tag(
        "section",
        tag("h2", "The trials"),
        table(("trial", "status", *names, "seed", "sampler", "values", "error"), rows),
        more,
    )
