"""The command that says what became of a run: in a few lines, as a page, or as JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from ashgrove.client import Client
from ashgrove.opening import with_client
from ashgrove.optimizer.v1.run_report_pb2 import RunReport
from ashgrove.printing import as_json_option, console, show_one, show_rows
from ashgrove.values import to_plain


@click.command("report", help="Say what became of a run: what it gained on unseen examples, and at what price.")
@click.argument("identifier")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file, as one page.")
@as_json_option
@with_client
def report(client: Client, identifier: str, html: Path | None, *, as_json: bool) -> None:
    """Shows the report, or writes the page."""
    if html is not None:
        html.write_text(client.runs.report_page(identifier), encoding="utf-8")
        console.print(f"written to {escape(str(html))}", style="dim")
        return
    found = client.runs.report(identifier)
    if as_json:
        show_one(found)
        return
    _show(found)


def _show(found: RunReport) -> None:
    console.print(f"[bold]{escape(found.run.name or found.run.id)}[/bold]  {escape(found.end)}")
    for line in found.summary:
        console.print(f"  {escape(line)}")
    _table(found.run.holdout_result.figures, ("metric", "baseline", "best", "gain", "low", "high", "words"))
    _rows(list(_afresh(found)), ("trial_number", "metric", "looked", "afresh", "deviation", "words"))
    _rows(list(_changes(found)), ("variable", "baseline", "best"))
    _rows(list(_earned(found)), ("variable", "metric", "without", "best", "earned", "low", "high", "words"))
    _table(found.usage, ("what", "metric_calls", "tokens", "cost_micros"))
    if found.cost_incomplete:
        console.print("some calls have no known price: the money is not exact")
    for each in found.missing:
        console.print(f"not here: {escape(each)}", style="dim")


def _changes(found: RunReport) -> Iterator[dict[str, Any]]:
    for each in found.changes:
        plain = to_plain(each)
        yield {"variable": each.path, "baseline": _short(plain.get("before")), "best": _short(plain.get("after"))}


def _afresh(found: RunReport) -> Iterator[dict[str, Any]]:
    repeats = found.run.repeats_result
    for each in repeats.trials:
        for metric, looked in each.looked.items():
            yield {
                "trial_number": each.trial_number,
                "metric": metric,
                "looked": looked,
                "afresh": each.objectives.get(metric),
                "deviation": each.deviations.get(metric),
                "words": "the best" if each.trial_id == repeats.best_trial_id else each.error,
            }


def _earned(found: RunReport) -> Iterator[dict[str, Any]]:
    for each in found.run.ablation_result.variables:
        if each.error:
            yield {"variable": each.variable, "words": each.error}
        for figure in each.figures:
            yield {"variable": each.variable, **to_plain(figure)}


def _short(value: Any) -> Any:
    return f"{value[:60]}…" if isinstance(value, str) and len(value) > 60 else value


def _table(messages: Any, columns: tuple[str, ...]) -> None:
    _rows([to_plain(each) for each in messages], columns)


def _rows(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if rows:
        show_rows(rows, columns, as_json=False)
