"""What a run has reached: its counts, its best trial and its front, kept with every trial that ends."""

from collections.abc import Mapping
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2

from domain.objectives import standing
from framework.storage import Transaction
from framework.structs import struct_of
from services.optimizer.front import Front
from services.optimizer.objectives import objectives_of
from services.optimizer.outcomes import Outcome
from services.optimizer.run_changes import Changes

_Event = run_event_pb2.RunEvent
_NUMBER = "SELECT number FROM trials WHERE organization_id = %(organization)s AND id = %(id)s"


class Results:
    """The results of one run, as the worker that holds its lease keeps them."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        self.run = run
        self.objectives = objectives_of(run)
        self.front = Front(run, self.objectives)
        self._best: tuple[Any, int] = (None, 0)

    async def judge(
        self, tx: Transaction, so_far: dict[str, Any], trial: Mapping[str, Any], outcome: Outcome
    ) -> tuple[str, dict[str, Any], list[_Event]]:
        """Returns which count a trial adds to, the run's columns that change with it, and what there is to tell.

        `so_far` is the run's row, which is locked; it is brought up to date.
        """
        counts = {"finished_count": outcome.finished_count, "example_count": outcome.example_count}
        if outcome.error:
            return "failed_trials", {}, [about(trial, _Event.TYPE_TRIAL_FAILED, error=outcome.error, **counts)]
        reached = outcome.objectives
        if outcome.lost_to:
            lost = {"lost_to_trial_number": outcome.lost_to, "objectives": reached}
            return "dropped_trials", {}, [about(trial, _Event.TYPE_TRIAL_DROPPED, **lost, **counts)]
        columns, changed = await self.front.offer(tx, so_far, trial, reached)
        events = [about(trial, _Event.TYPE_TRIAL_COMPLETED, objectives=reached, **counts)]
        if await self._is_best(tx, so_far, trial["number"], reached):
            named, told = best_of_run(trial, reached)
            columns |= named
            self._best = trial["id"], trial["number"]
            events.append(told)
        so_far |= columns
        return "completed_trials", columns, [*events, changed] if changed is not None else events

    async def _is_best(
        self, tx: Transaction, so_far: Mapping[str, Any], number: int, reached: Mapping[str, float]
    ) -> bool:
        """Tells whether a trial is the best: feasible ones first, then by the first objective, the older of equals."""
        if (best_id := so_far["best_trial_id"]) is None:
            return True
        if self._best[0] != best_id:
            ids = {"organization": self.run["organization_id"], "id": best_id}
            (found,) = await tx.fetch(_NUMBER, ids)
            self._best = best_id, found["number"]
        best = standing(so_far["best_objectives"], self.objectives), self._best[1]
        return (standing(reached, self.objectives), number) < best

    async def keep(self, tx: Transaction, counts: Mapping[str, int], columns: Mapping[str, Any]) -> None:
        """Adds to the run's counts and writes columns of its row; it is not waited for."""
        changes = Changes(counts, columns)
        await tx.send(
            f"UPDATE optimization_runs SET {changes.sql} WHERE organization_id = %(organization_)s AND id = %(id_)s",
            {"organization_": self.run["organization_id"], "id_": self.run["id"], **changes.params},
        )


def about(trial: Mapping[str, Any], kind: Any, **facts: Any) -> _Event:
    """Returns an event about a trial."""
    return _Event(type=kind, trial_number=trial["number"], trial_id=str(trial["id"]), **facts)


def best_of_run(trial: Mapping[str, Any], reached: Mapping[str, float]) -> tuple[dict[str, Any], _Event]:
    """Returns the run's columns that name a trial its best, and the event that tells it."""
    columns = {
        "best_trial_id": trial["id"],
        "best_objectives": dict(reached),
        "best_configuration": trial["configuration"],
    }
    event = about(trial, _Event.TYPE_BEST_CHANGED, objectives=reached)
    event.configuration.CopyFrom(struct_of(trial["configuration"]))
    return columns, event
