"""Trials of an external run that have ended: written, counted and judged, and told of with what the run came to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2, trial_pb2

from framework.storage.database import as_json
from services.optimizer.external.rows import ended
from services.optimizer.external.turn import USED, Turn, message
from services.optimizer.objectives import names_of
from services.optimizer.origins import COPIED
from services.optimizer.outcomes import Outcome
from services.optimizer.results import Results, about
from services.optimizer.run_changes import Changes
from services.optimizer.spending import Usage, noted
from services.optimizer.trial_rows import FINISH

_Event = run_event_pb2.RunEvent
_COPIED = ("configuration", "content_hash", "status", "objectives", "error", "error_class", "infeasible")


@dataclass(frozen=True)
class Ended:
    """A trial that has ended, by its row, and what it took that was not counted before."""

    trial: Mapping[str, Any]
    outcome: Outcome
    used: Usage
    is_dropped: bool = False
    """Whether it was stopped early where it was made."""


async def finish(at: Turn, ends: Sequence[Mapping[str, Any]]) -> dict[int, trial_pb2.Trial]:
    """Writes how open trials ended, and those that are copies of them; returns the trials by number."""
    numbered = [{**end, "place": place, "completed_at": at.clock.began} for place, end in enumerate(ends, 1)]
    await at.tx.send(FINISH, at.ids | {"told": as_json(numbered)})
    trials = {end["number"]: at.open.pop(end["number"]) for end in numbered}
    rows = {end["number"]: ended(at.row, trials[end["number"]], end, at.clock) for end in numbered}
    await count(at, [_ended(trials[end["number"]], end) for end in numbered])
    told = {number: message(row) for number, row in rows.items()}
    await at.tell_of("updated", told.values())
    copies = [each for each in at.open.values() if each["origin"] == COPIED and each["origin_trial_number"] in rows]
    if copies:
        await finish(at, [copied(at, each["number"], rows[each["origin_trial_number"]]) for each in copies])
    return told


def copied(at: Turn, number: int, original: Mapping[str, Any]) -> dict[str, Any]:
    """Returns how a trial ends that is a copy of one that has: as that did, and for nothing."""
    same = {name: original[name] for name in _COPIED}
    reached = original["objectives"] or {}  # one of another run may have reached more than is asked for here
    reached = {name: reached[name] for name in names_of(at.row) if name in reached}
    return {"number": number, **same, "objectives": reached, **Usage().columns}


def _ended(trial: Mapping[str, Any], end: Mapping[str, Any]) -> Ended:
    used = Usage(*(end[name] for name in USED))
    calls = used.metric_calls
    outcome = Outcome(end["objectives"], end["error"], end["error_class"], finished_count=calls, example_count=calls)
    return Ended({**trial, **end}, outcome, used - noted(trial))


async def count(at: Turn, trials: Sequence[Ended]) -> None:
    """Adds trials to the run's counts, its best and its front, in their order, and tells of each what all came to."""
    results = (await at.warm()).results
    counts, columns, events = Counter[str](), dict[str, Any](), list[_Event]()
    for each in trials:
        counted, changed, told = await _judged(at, results, each)
        added = {counted: 1} | {f"told_{name}": used for name, used in each.used.columns.items() if used}
        for name, more in added.items():
            at.row[name] += more
        counts.update(added)
        columns |= changed
        told[0].totals.CopyFrom(at.totals)
        events += told
    await at.say(*events, *await at.warnings(), changing=Changes(counts, columns))


async def _judged(at: Turn, results: Results, each: Ended) -> tuple[str, dict[str, Any], list[_Event]]:
    if each.is_dropped:
        told = about(each.trial, _Event.TYPE_TRIAL_DROPPED, objectives=each.outcome.objectives)
        return "dropped_trials", {}, [told]
    return await results.judge(at.tx, at.row, each.trial, each.outcome)
