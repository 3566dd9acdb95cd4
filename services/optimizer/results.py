"""What a run has reached: its counts, its best trial and its front, kept with every trial that ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ashgrove.optimizer.v1 import optimization_run_pb2
from psycopg.types.json import Jsonb

from domain.objectives import standing
from framework.storage import Transaction
from framework.structs import struct_of
from services.optimizer.front import Front
from services.optimizer.objectives import objectives_of

if TYPE_CHECKING:
    from services.optimizer.evaluating import Outcome

_Event = optimization_run_pb2.RunEvent
_SO_FAR = """
SELECT r.best_objectives, r.front_version, r.evicted_count, t.number AS best_number
FROM optimization_runs r
LEFT JOIN trials t ON t.organization_id = r.organization_id AND t.id = r.best_trial_id
WHERE r.organization_id = %(organization_id)s AND r.id = %(id)s
"""


class Results:
    """The results of one run, as the worker that holds its lease keeps them."""

    def __init__(self, run: Mapping[str, Any]) -> None:
        self.run = run
        self.objectives = objectives_of(run)
        self.front = Front(run, self.objectives)

    async def add(self, tx: Transaction, trial: Mapping[str, Any], outcome: "Outcome") -> list[_Event]:
        """Counts a trial that has ended and judges what it reached; returns what there is to tell, in order.

        The run's row must be locked by the transaction.
        """
        counts = {"finished_count": outcome.finished_count, "example_count": outcome.example_count}
        if outcome.error:
            await self._keep(tx, "failed_trials", {})
            return [about(trial, _Event.TYPE_TRIAL_FAILED, error=outcome.error, **counts)]
        reached = outcome.objectives
        if outcome.lost_to:
            await self._keep(tx, "dropped_trials", {})
            lost = {"lost_to_trial_number": outcome.lost_to, "objectives": reached}
            return [about(trial, _Event.TYPE_TRIAL_DROPPED, **lost, **counts)]
        so_far = await tx.fetch_one(_SO_FAR, self.run)
        assert so_far is not None
        columns, changed = await self.front.offer(tx, so_far, trial, reached)
        events = [about(trial, _Event.TYPE_TRIAL_COMPLETED, objectives=reached, **counts)]
        if self._is_best(so_far, trial["number"], reached):
            columns |= _best(trial, reached)
            events.append(_best_changed(trial, reached))
        await self._keep(tx, "completed_trials", columns)
        return [*events, changed] if changed is not None else events

    def _is_best(self, so_far: Mapping[str, Any], number: int, reached: Mapping[str, float]) -> bool:
        """Tells whether a trial is the best: feasible ones first, then by the first objective, the older of equals."""
        if so_far["best_number"] is None:
            return True
        best = standing(so_far["best_objectives"], self.objectives), so_far["best_number"]
        return (standing(reached, self.objectives), number) < best

    async def _keep(self, tx: Transaction, counter: str, columns: Mapping[str, Any]) -> None:
        assignments = [f"{counter} = {counter} + 1", *(f"{name} = %({name})s" for name in columns)]
        await tx.send(
            f"""UPDATE optimization_runs SET {", ".join(assignments)}, lock_version = lock_version + 1,
                       updated_at = now() WHERE organization_id = %(organization_)s AND id = %(id_)s""",
            {"organization_": self.run["organization_id"], "id_": self.run["id"], **columns},
        )


def about(trial: Mapping[str, Any], kind: Any, **facts: Any) -> _Event:
    """Returns an event about a trial."""
    return _Event(type=kind, trial_number=trial["number"], trial_id=str(trial["id"]), **facts)


def _best(trial: Mapping[str, Any], reached: Mapping[str, float]) -> dict[str, Any]:
    return {
        "best_trial_id": trial["id"],
        "best_objectives": Jsonb(dict(reached)),
        "best_configuration": Jsonb(trial["configuration"]),
    }


def _best_changed(trial: Mapping[str, Any], reached: Mapping[str, float]) -> _Event:
    event = about(trial, _Event.TYPE_BEST_CHANGED, objectives=reached)
    event.configuration.CopyFrom(struct_of(trial["configuration"]))
    return event
