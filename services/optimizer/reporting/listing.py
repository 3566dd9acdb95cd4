"""The trials of a report: all of them, or of very many those that matter and an even share of the others."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.run_report_pb2 import ReportedTrial
from ashgrove.optimizer.v1.trial_pb2 import Trial

from domain.objectives import Objective, standing

MOST_TRIALS = 1000
Row = Mapping[str, Any]


def listed(rows: Sequence[Row], front_numbers: set[int], objectives: Sequence[Objective]) -> Iterator[ReportedTrial]:
    """Yields the trials by number; of more than MOST_TRIALS the front, each new best, and an even share of the rest."""
    for row in _chosen(rows, front_numbers, objectives):
        told = ReportedTrial(
            number=row["number"],
            id=str(row["id"]),
            status=Trial.Status.Value(row["status"]),
            objectives=row["objectives"] or {},
            seed=row["seed"],
            sampler_version=row["sampler_version"],
            content_hash=row["content_hash"],
            on_front=row["number"] in front_numbers,
            error=row["error"],
        )
        if row["completed_at"]:
            told.completed_at.FromDatetime(row["completed_at"])
        yield told


def _chosen(rows: Sequence[Row], front_numbers: set[int], objectives: Sequence[Objective]) -> list[Row]:
    if len(rows) <= MOST_TRIALS:
        return list(rows)
    kept = front_numbers | set(_bests(rows, objectives))
    room = max(MOST_TRIALS - len(kept), 0)
    others = [row["number"] for row in rows if row["number"] not in kept]
    kept |= {others[place * len(others) // room] for place in range(room)}
    return [row for row in rows if row["number"] in kept]


def _bests(rows: Sequence[Row], objectives: Sequence[Objective]) -> Iterator[int]:
    """Yields the number of each trial that was better than all before it."""
    best: tuple[float, float] | None = None
    for row in rows:
        if row["status"] == "STATUS_COMPLETED":
            stands = standing(row["objectives"], objectives)
            if best is None or stands < best:
                best = stands
                yield row["number"]
