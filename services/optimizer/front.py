"""A run's Pareto front in its tables: a change is written with the result that brings it about."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import pareto_front_pb2, run_event_pb2
from psycopg.types.json import Jsonb

from domain.objectives import Objective
from domain.pareto import Change, Point, hypervolume, insert
from framework.engine import Call
from framework.resource import spec_of
from framework.storage import Transaction, codec_of
from framework.structs import struct_of
from services.optimizer.resources import OptimizationRun

LIMIT = 200
_READ = """
SELECT trial_number, objectives FROM pareto_points
WHERE organization_id = %(organization)s AND run_id = %(run)s AND until_version IS NULL ORDER BY trial_number
"""
_MEMBERS = """
SELECT p.trial_number, t.configuration
FROM pareto_points p JOIN trials t ON t.organization_id = p.organization_id AND t.id = p.trial_id
WHERE p.organization_id = %(organization)s AND p.run_id = %(run)s AND p.until_version IS NULL ORDER BY p.trial_number
"""
_WRITE = """
WITH gone AS (
    UPDATE pareto_points SET until_version = %(version)s
    WHERE organization_id = %(organization)s AND run_id = %(run)s AND trial_number = ANY(%(gone)s)
), come AS (
    INSERT INTO pareto_points (organization_id, run_id, trial_number, trial_id, objectives, since_version)
    VALUES (%(organization)s, %(run)s, %(number)s, %(trial)s, %(objectives)s, %(version)s)
)
INSERT INTO pareto_versions (organization_id, run_id, version, trial_number, size, hypervolume, hypervolume_margin)
VALUES (%(organization)s, %(run)s, %(version)s, %(number)s, %(size)s, %(hypervolume)s, %(hypervolume_margin)s)
"""
# As of one version, so that a front that changes between two statements is still answered whole.
_POINTS = """
SELECT p.trial_id, p.trial_number, p.objectives, p.since_version, t.configuration
FROM pareto_points p JOIN trials t ON t.organization_id = p.organization_id AND t.id = p.trial_id
WHERE p.organization_id = %(organization)s AND p.run_id = %(run)s AND p.since_version <= %(version)s
  AND (p.until_version IS NULL OR p.until_version > %(version)s)
ORDER BY p.trial_number
"""
_HISTORY = """
SELECT version, trial_number, size, hypervolume, hypervolume_margin, created_at FROM pareto_versions
WHERE organization_id = %(organization)s AND run_id = %(run)s AND version <= %(version)s ORDER BY version
"""
_MEASURED = ("hypervolume", "hypervolume_margin")
_Event = run_event_pb2.RunEvent


class Front:
    """The front as the run's one worker keeps it: read once, then remembered as long as the row's version allows."""

    def __init__(self, run: Mapping[str, Any], objectives: Sequence[Objective]) -> None:
        self.ids = {"organization": run["organization_id"], "run": run["id"]}
        self.objectives = objectives
        self._remembered: tuple[int, Sequence[Point]] = (0, ())
        self._values: tuple[int, dict[int, dict[str, Any]]] = (0, {})

    async def offer(
        self, tx: Transaction, run: Mapping[str, Any], trial: Mapping[str, Any], reached: Mapping[str, float]
    ) -> tuple[dict[str, Any], _Event | None]:
        """Writes what a complete trial does to the front; returns the run's columns that change, and the event.

        `run` holds `front_version` and `evicted_count` as they are; its row must be locked.
        """
        point = Point(trial["number"], dict(reached))
        change = insert(await self._at(tx, run["front_version"]), point, self.objectives, LIMIT)
        columns = {"evicted_count": run["evicted_count"] + len(change.evicted)} if change.evicted else {}
        if not change.added:
            return columns, None
        version = run["front_version"] + 1
        measured = await self._measured(change.front)
        event = await self._write(tx, version, trial, point, change, measured)
        # Forgotten by itself when the transaction fails: the row then names another version.
        self._remembered = (version, change.front)
        return columns | {"front_version": version} | measured, event

    async def members_at(self, tx: Transaction, version: int) -> dict[int, dict[str, Any]]:
        """Returns the values of the trials that are on it, by number, as of the version that the run's row names."""
        if self._values[0] != version:
            rows = await tx.fetch(_MEMBERS, self.ids)
            self._values = version, {row["trial_number"]: row["configuration"] for row in rows}
        return self._values[1]

    async def numbers(self, tx: Transaction) -> list[int]:
        """Returns the numbers of the trials that are on it now."""
        return [row["trial_number"] for row in await tx.fetch(_READ, self.ids)]

    async def _at(self, tx: Transaction, version: int) -> Sequence[Point]:
        if self._remembered[0] != version:
            rows = await tx.fetch(_READ, self.ids)
            self._remembered = (version, [Point(r["trial_number"], r["objectives"]) for r in rows])
        return self._remembered[1]

    async def _write(
        self,
        tx: Transaction,
        version: int,
        trial: Mapping[str, Any],
        point: Point,
        change: Change,
        measured: Mapping[str, Any],
    ) -> _Event:
        gone = sorted(each.number for each in (*change.removed, *change.evicted))
        row = {
            "version": version,
            "gone": gone,
            "number": point.number,
            "trial": trial["id"],
            "objectives": Jsonb(point.objectives),
            "size": len(change.front),
            **measured,
        }
        await tx.leave(_WRITE, self.ids | row)
        return _Event(
            type=_Event.TYPE_FRONT_CHANGED,
            trial_number=point.number,
            trial_id=str(trial["id"]),
            front_version=version,
            added_trial_numbers=[point.number],
            removed_trial_numbers=gone,
            **measured,
        )

    async def _measured(self, front: Sequence[Point]) -> dict[str, Any]:
        if len(self.objectives) < 4:
            found = hypervolume(front, self.objectives)
        else:  # it may take some tenths of a second, in which others are served
            found = await to_thread(hypervolume, front, self.objectives)
        return dict(zip(_MEASURED, (found.value, found.margin) if found else (None, None), strict=True))


async def read(call: Call, run: Mapping[str, Any]) -> pareto_front_pb2.ParetoFront:
    """Returns the front of a run whose row the caller may see, as of the version that the row names."""
    known = codec_of(spec_of(OptimizationRun)).message(run)
    ids = {"organization": run["organization_id"], "run": run["id"], "version": run["front_version"]}
    front = pareto_front_pb2.ParetoFront(
        run_id=known.id,
        objectives=known.objectives,
        version=known.front_version,
        **{name: run[name] for name in _MEASURED},
        evicted_count=run["evicted_count"],
    )
    async with call.transaction() as tx:
        front.points.extend(_point(row) for row in await tx.fetch(_POINTS, ids))
        front.history.extend(_change(row) for row in await tx.fetch(_HISTORY, ids))
    return front


def _point(row: dict[str, Any]) -> pareto_front_pb2.ParetoFront.Point:
    configuration = struct_of(row.pop("configuration"))
    return pareto_front_pb2.ParetoFront.Point(**row | {"trial_id": str(row["trial_id"])}, configuration=configuration)


def _change(row: dict[str, Any]) -> pareto_front_pb2.ParetoFront.Change:
    return pareto_front_pb2.ParetoFront.Change(at=row.pop("created_at"), **row)
