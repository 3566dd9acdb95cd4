"""Live progress of a run, fed by its watch stream."""

from collections.abc import Iterable

from ashgrove.optimizer.v1.optimization_run_pb2 import RunEvent
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


def bars(console: Console) -> Progress:
    """Returns progress bars with a name, a count and the time that passed."""
    return Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def follow(events: Iterable[RunEvent], trials: int, console: Console) -> RunEvent:
    """Draws a run as its events arrive, one bar for the run and one for each running trial; returns the last event."""
    last = RunEvent()
    best = 0.0
    running: dict[int, TaskID] = {}
    with bars(console) as progress:
        overall = progress.add_task("trials", total=trials)
        for last in events:
            number, kind = last.trial_number, last.type
            if kind == RunEvent.TYPE_TRIAL_STARTED:
                running[number] = progress.add_task(f"  trial {number}", total=None)
            elif kind == RunEvent.TYPE_TRIAL_PROGRESSED and number in running:
                progress.update(running[number], completed=last.finished_count, total=last.example_count)
            elif kind in (RunEvent.TYPE_TRIAL_COMPLETED, RunEvent.TYPE_TRIAL_FAILED):
                progress.remove_task(running.pop(number))
                progress.advance(overall)
            elif kind == RunEvent.TYPE_BEST_CHANGED:
                best = next(iter(last.objectives.values()))
                progress.update(overall, description=f"trials, best so far {best:.3f} (no. {number})")
    return last
