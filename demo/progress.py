"""Live progress of a run, fed by its watch stream."""

from collections.abc import Callable, Iterable

from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


def bars(console: Console) -> Progress:
    """Returns progress bars with a name, a count and the time that passed."""
    return Progress(
        TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def follow(events: Iterable[RunEvent], trials: int, console: Console, news: Callable[[RunEvent], str]) -> RunEvent:
    """Draws a run as its events arrive, one bar for the run and one for each running trial; returns the last event.

    `news` says in a few words what an event changed about the run; nothing for most of them.
    """
    last = RunEvent()
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
            if said := news(last):
                progress.update(overall, description=f"trials, {said}")
    return last


def best_so_far(event: RunEvent) -> str:
    """Says which trial is the best now, of a run with one objective."""
    if event.type != RunEvent.TYPE_BEST_CHANGED:
        return ""
    return f"best so far {next(iter(event.objectives.values())):.3f} (no. {event.trial_number})"


class FrontSoFar:
    """Says how large the front is now: the sum of what came and what went."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def __call__(self, event: RunEvent) -> str:
        """Says it when an event changed the front."""
        if event.type != RunEvent.TYPE_FRONT_CHANGED:
            return ""
        self.numbers = self.numbers - set(event.removed_trial_numbers) | set(event.added_trial_numbers)
        return f"{len(self.numbers)} on the front"
