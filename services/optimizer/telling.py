"""What events of a run say beside what happened: where a trial comes from, what all came to, which limit is near."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ashgrove.optimizer.v1.run_event_pb2 import RunEvent, RunTotals, ValueChange

from domain.comparing import ABSENT, Row, compared, difference_count
from domain.values import Json
from framework.structs import value_of
from services.optimizer.spending import Usage

NEAR = 0.8
"""From which share on a limit is nearly reached."""
_COUNTS = ("completed_trials", "failed_trials", "dropped_trials")


def step(run: Mapping[str, Any], number: int) -> list[RunEvent]:
    """Returns what is to be told before a trial starts: that its batch does, when it is the first of one."""
    batch = run["parallelism"]
    if run["schedule"] != "SCHEDULE_SYNCHRONOUS" or (number - 1) % batch:
        return []
    return [RunEvent(type=RunEvent.TYPE_STEP_STARTED, step=(number - 1) // batch + 1)]


def descend(event: RunEvent, values: Mapping[str, Json], members: Mapping[int, Mapping[str, Json]], again: int) -> None:
    """Says in an event which trial of the front its own differs least from, the older of equals, and in what.

    Where it tries another one again, it says which.
    """
    event.parent_trial_number = again
    if again or not members:
        return
    event.parent_trial_number = _nearest(values, members)
    differing = (row for row in compared([members[event.parent_trial_number], values]) if not row.is_equal)
    event.changes.extend(map(_change, differing))


def _nearest(values: Mapping[str, Json], members: Mapping[int, Mapping[str, Json]]) -> int:
    nearest, fewest = 0, sys.maxsize
    for number in sorted(members):
        if (count := difference_count(values, members[number], fewest)) < fewest:
            nearest, fewest = number, count
    return nearest


def _change(row: Row) -> ValueChange:
    before, after = (None if value is ABSENT else value_of(value) for value in row.values)
    return ValueChange(path=row.path, before=before, after=after)


def totals(run: Mapping[str, Any], used: Usage) -> RunTotals:
    """Returns what a run came to, by its row, and by what its worker has added up."""
    counts = {name: run[name] for name in _COUNTS}
    return RunTotals(**counts, metric_calls=used.metric_calls, tokens=used.tokens, cost_micros=used.cost_micros)


def nearly_reached(shares: Iterable[tuple[str, float, float]], told: set[str]) -> Iterator[RunEvent]:
    """Yields a warning for each limit of which most is used, and that was not told."""
    for name, used, most in shares:
        if name not in told and used >= NEAR * most:
            yield RunEvent(type=RunEvent.TYPE_BUDGET_WARNED, limit=name, used=used, most=most)
