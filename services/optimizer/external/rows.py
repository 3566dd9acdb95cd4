"""Rows of trials as a turn writes them, known before the database answers: nobody waits to read back what he wrote.

They are what `trial_rows.BEGIN` and `FINISH` make, column by column: a test holds both together.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.optimizer.as_left import Clock

_NEW = {
    "evaluation_id": None,
    "status": "STATUS_RUNNING",
    "objectives": None,
    "error": "",
    "error_class": "",
    "infeasible": False,
    "finished_count": 0,
    "example_count": 0,
    "tokens": 0,
    "cost_micros": 0,
    "lost_to_trial_number": 0,
    "finish_number": 0,
    "completed_at": None,
    "attributes": None,
    "inherited_trial_id": None,
    "origin_trial_number": 0,
    "repeat": 0,
    "lock_version": 1,
}
_SAME = ("configuration", "content_hash", "status", "objectives", "error", "error_class", "infeasible")


def begun(run: Mapping[str, Any], chosen: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    """Returns the row of a trial that begins now, with a lease if it has any."""
    seconds = chosen["seconds"]
    return {
        **_NEW,
        **{name: value for name, value in chosen.items() if name != "seconds"},
        "organization_id": run["organization_id"],
        "optimization_run_id": run["id"],
        "space_extensions": run["space_extensions"],
        "lease_seconds": seconds,
        "lease_until": clock.now + timedelta(seconds=seconds) if seconds else None,
        "created_at": clock.began,
    }


def ended(run: Mapping[str, Any], trial: Mapping[str, Any], end: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    """Returns the row of an open trial that ends; the run's counts are those before it and others of its list."""
    counts = sum(run[name] for name in ("completed_trials", "failed_trials", "dropped_trials"))
    return {
        **trial,
        **{name: end[name] for name in _SAME},
        "finished_count": end["metric_calls"],
        "tokens": end["tokens"],
        "cost_micros": end["cost_micros"],
        "finish_number": counts + end["place"],
        "completed_at": clock.began,
        "lease_until": None,
        "lock_version": trial["lock_version"] + 1,
    }
