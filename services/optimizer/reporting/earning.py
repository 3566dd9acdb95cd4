"""The sections on what a run was worth: on unseen examples, variable by variable, and at what price."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.ablation_pb2 import VariableAblation
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure
from ashgrove.optimizer.v1.run_report_pb2 import ReportedUsage, RunReport
from ashgrove.program.v1.program_requests_pb2 import DocumentChange, TextPiece
from google.protobuf.json_format import MessageToJson
from google.protobuf.struct_pb2 import Value

from services.optimizer.reporting import charts
from services.optimizer.reporting.elements import NOTHING, Html, table, tag
from services.optimizer.reporting.words import number

_SIDES = {HoldoutFigure.VERDICT_PROVEN_GAIN: "better", HoldoutFigure.VERDICT_PROVEN_LOSS: "worse"}
_MARKS = {TextPiece.KIND_REMOVED: "del", TextPiece.KIND_ADDED: "ins"}
_LONG = 60
"""From how many characters on a text is compared word by word."""


def sections(report: RunReport) -> Iterator[Html]:
    """Yields the last look, the fresh evaluations, the changes, the ablation and the price, where there are any."""
    if report.run.holdout_result.figures:
        yield _look(report)
    if report.run.repeats_result.trials:
        yield _repeats(report)
    if report.changes:
        yield _changes(report.changes)
    if report.run.ablation_result.variables:
        yield _ablation(report)
    yield _price(report)


def _look(report: RunReport) -> Html:
    look = report.run.holdout_result
    widest = _widest(look.figures)
    rows = [
        [
            each.metric,
            number(each.baseline),
            number(each.best),
            _gain(each, "gain"),
            _interval(each, each.gain, widest.get(each.metric, 0.0)),
            _verdict(each),
            number(each.validation),
            number(each.optimism_gap),
        ]
        for each in look.figures
    ]
    heads = ("objective", "baseline", "best", "gain", "95 % interval", "verdict", "validation", "optimism")
    times = "time" if look.test_looks == 1 else "times"
    return tag(
        "section",
        tag("h2", f"On {look.example_count} examples that no trial has seen"),
        table(heads, rows),
        tag(
            "p",
            "A gain above 0 is better, whichever way that is. The interval is of 10,000 paired bootstrap samples; one "
            "that contains 0 proves nothing. Optimism is how much better the best looked on the validation split. The "
            f"test split had been looked at {look.test_looks} {times} by then.",
            class_="note",
        ),
    )


def _repeats(report: RunReport) -> Html:
    found = report.run.repeats_result
    rows = [
        [
            str(each.trial_number),
            objective.metric,
            number(each.looked[objective.metric]),
            _known(each.objectives, objective.metric),
            _known(each.deviations, objective.metric),
            str(len(each.evaluation_ids)),
            "the best" if each.trial_id == found.best_trial_id else each.error,
        ]
        for each in found.trials
        for objective in report.run.objectives
    ]
    heads = ("trial", "objective", "looked", "afresh", "deviation", "evaluations", "")
    told = "What looks best has had luck: these were evaluated afresh, with other seeds, and that names the best."
    return tag(
        "section",
        tag("h2", "What looked best, evaluated afresh"),
        table(heads, rows),
        tag("p", f"{told} {found.error}".strip(), class_="note"),
    )


def _known(values: Mapping[str, float], metric: str) -> str:
    return number(values[metric]) if metric in values else NOTHING


def _changes(changes: Sequence[DocumentChange]) -> Html:
    rows = [[tag("code", each.path), *_sides(each)] for each in changes]
    return tag("section", tag("h2", "What the best has otherwise"), table(("", "baseline", "best"), rows))


def _sides(change: DocumentChange) -> list[Html]:
    longest = max(len(change.before.string_value), len(change.after.string_value))
    if change.pieces and longest > _LONG:
        words = [tag(_MARKS[each.kind], each.text) if each.kind in _MARKS else each.text for each in change.pieces]
        return [tag("td", tag("p", words, class_="text"), colspan=2)]
    return [
        tag("td", tag("code", _shown(getattr(change, side))) if change.HasField(side) else NOTHING)
        for side in ("before", "after")
    ]


def _shown(value: Value) -> str:
    if value.WhichOneof("kind") == "number_value":
        return number(value.number_value)
    return value.string_value or MessageToJson(value, indent=None, ensure_ascii=False)


def _ablation(report: RunReport) -> Html:
    found = report.run.ablation_result
    widest = _widest(figure for each in found.variables for figure in each.figures)
    rows = [row for each in found.variables for row in _ablated(each, widest)]
    heads = ("variable", "change", "objective", "without", "best", "earned", "95 % interval", "verdict")
    return tag(
        "section",
        tag("h2", "Which variable earned what"),
        table(heads, rows),
        tag(
            "p",
            "Each variable was set back to the baseline alone, and evaluated on the validation split: on the examples "
            "that the best was chosen by, which flatters it. Variables that only matter together each earn all of it.",
            class_="note",
        ),
    )


def _ablated(one: VariableAblation, widest: Mapping[str, float]) -> Iterator[list[Any]]:
    """Yields a row for each objective, or the one that says why there is none."""
    change = [tag("code", one.variable), tag("code", f"{_shown(one.baseline)} → {_shown(one.best)}")]
    if not one.figures:
        yield [*change, tag("td", one.error, colspan=6)]
    for figure in one.figures:
        yield [
            *change,
            figure.metric,
            number(figure.without),
            number(figure.best),
            _gain(figure, "earned"),
            _interval(figure, figure.earned, widest.get(figure.metric, 0.0)),
            _verdict(figure),
        ]


def _price(report: RunReport) -> Html:
    rows = [_paid(each) for each in report.usage]
    limits = [
        [each.name, number(each.used), number(each.most), charts.share(each.used / each.most if each.most else 0.0)]
        for each in report.limits
    ]
    exact = "Some calls have no known price: the money is not exact." if report.cost_incomplete else ""
    return tag(
        "section",
        tag("h2", "What it cost"),
        table(("", "calls", "tokens", "credits"), rows),
        tag("p", f"It ran for {number(report.run.duration_seconds)} seconds, pauses included. {exact}", class_="note"),
        tag("h2", "What it might have used"),
        table(("limit", "used", "of", ""), limits),
    )


def _paid(used: ReportedUsage) -> list[str]:
    return [used.what, f"{used.metric_calls:,}", f"{used.tokens:,}", in_credits(used.cost_micros)]


def in_credits(micros: int) -> str:
    """Returns money in credits."""
    return f"{micros / 1e6:,.6f}".rstrip("0").rstrip(".")


def _widest(figures: Any) -> dict[str, float]:
    widest: dict[str, float] = {}
    for each in figures:
        widest[each.metric] = max(widest.get(each.metric, 0.0), abs(each.low), abs(each.high))
    return widest


def _gain(figure: Any, field: str) -> str:
    return number(getattr(figure, field)) if figure.HasField(field) else NOTHING


def _interval(figure: Any, middle: float, widest: float) -> Html:
    if not figure.HasField("low"):
        return tag("td", NOTHING)
    ends = tag("small", f" {number(figure.low)} to {number(figure.high)}")
    return tag("td", charts.interval(figure.low, middle, figure.high, widest), ends)


def _verdict(figure: Any) -> Html:
    return tag("span", figure.words or "no value", class_=_SIDES.get(figure.verdict, "open"))
