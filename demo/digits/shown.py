"""How the second job's result is shown and written down."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.digits.chart import draw
from demo.digits.job import Member, Searched
from demo.digits.space import described

_COLUMNS = ("trial", "accuracy", "on test", "KiB", "ms in the run", "ms alone", "classifier")


def show(found: Searched, console: Console) -> None:
    """Prints the front as a table and as a chart."""
    table = Table(*_COLUMNS)
    for member in found.front:
        table.add_row(*_cells(member))
    console.print(table)
    console.print(f"hypervolume {found.hypervolume:.1f}, measured from accuracy 0 and 256 KiB", highlight=False)
    console.print(draw(found.trials, [(m.kilobytes, m.accuracy) for m in found.front]))


def _cells(member: Member) -> tuple[str, ...]:
    scores = f"{member.accuracy:.3f}", f"{member.accuracy_on_test:.3f}", f"{member.kilobytes:.1f}"
    times = f"{member.latency_in_run:.2f}", f"{member.latency_alone:.2f}"
    return str(member.number), *scores, *times, described(member.configuration)


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
