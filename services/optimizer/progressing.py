"""How long a run has been running and how near its end it is: expressions over its row, for filters and orders too."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, case, cast, func

from framework.query import Columns
from framework.query.aggregates import sum_of
from framework.query.formulas import seconds_between

_SUMS = {"metric_calls": "finished_count", "tokens": "tokens", "cost_micros": "cost_micros"}
"""What `limits` names, and the field of trials that it limits the sum of."""
_MOST_UNDER_WAY = 0.99


def duration(row: Columns) -> ColumnElement[Any]:
    """Returns the seconds from a run's start to its end, or to now, without those that it rested between two ends."""
    return seconds_between(row["started_at"], func.coalesce(row["completed_at"], func.now())) - row["rested_seconds"]


def progress(row: Columns) -> ColumnElement[Any]:
    """Returns the share of whichever limit is nearest to being reached; 1 only when the run is completed."""
    done = row["completed_trials"] + row["failed_trials"] + row["dropped_trials"] - row["inherited_trials"]
    shares = [_share(done, row["max_trials"]), *(_used(row, name) for name in _SUMS), _late(row)]
    # Trials that are tried again may be more than were planned.
    under_way: ColumnElement[Any] = func.least(func.greatest(*shares), _MOST_UNDER_WAY, type_=Double())
    return case((row["status"] == "STATUS_COMPLETED", 1.0), else_=under_way)


def _used(row: Columns, name: str) -> ColumnElement[Any]:
    # Only where there is such a limit are the trials added up.
    total = sum_of("trials", _SUMS[name]).expression(row)
    return case((_limit(row, name).is_not(None), _share(total, _limit(row, name))), else_=0.0)


def _late(row: Columns) -> ColumnElement[Any]:
    return func.coalesce(_share(duration(row), _limit(row, "seconds")), 0.0, type_=Double())


def _limit(row: Columns, name: str) -> ColumnElement[Any]:
    return cast(row["limits"][name].astext, BigInteger())


def _share(part: ColumnElement[Any], whole: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(cast(part, Double()) / func.nullif(whole, 0), 0.0, type_=Double())
