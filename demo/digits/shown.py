"""How the second job's result is shown and written down."""

from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.digits.chart import draw
from demo.digits.job import REFERENCE, Member, Searched
from demo.digits.space import described

_COLUMNS = ("trial", "accuracy", "on test", "KiB", "ms", "ms alone", "classifier")


def show(found: Searched, console: Console) -> None:
    """Prints the front as a table and as a chart."""
    table = Table(*_COLUMNS, title="medians in ms: in the run, four at a time, and measured alone", title_style="dim")
    for equals in _grouped(found.front):
        table.add_row(*_cells(equals))
    console.print(table)
    worst = f"accuracy {REFERENCE['exact_match']:g} and {REFERENCE['kilobytes']:g} KiB"
    console.print(f"hypervolume {found.hypervolume:.1f}, measured from {worst}", highlight=False)
    console.print(draw(found.trials, [(m.kilobytes, m.accuracy) for m in found.front]))


def _grouped(front: list[Member]) -> list[list[Member]]:
    """Returns the members by what they reached: none beats its equals, so all of them are on the front."""
    return [list(group) for _, group in groupby(front, key=lambda m: (m.kilobytes, m.accuracy))]


def _cells(equals: list[Member]) -> tuple[str, ...]:
    member, more = equals[0], f"; {len(equals) - 1} more reach the same" if len(equals) > 1 else ""
    scores = f"{member.accuracy:.3f}", f"{member.accuracy_on_test:.3f}", f"{member.kilobytes:.1f}"
    times = f"{member.latency_in_run:.2f}", f"{member.latency_alone:.2f}"
    return str(member.number), *scores, *times, described(member.configuration) + more


def result(found: Searched) -> dict[str, Any]:
    """Returns what result.json keeps of the run; latencies are those measured alone."""
    front = [
        {
            "accuracy": m.accuracy,
            "kilobytes": m.kilobytes,
            "latency_ms": m.latency_alone,
            "configuration": m.configuration,
        }
        for m in found.front
    ]
    kept = {k: v for k, v in asdict(found).items() if k in ("run_id", "seconds", "hypervolume")}
    return kept | {"trials": len(found.trials), "front": front}
