"""New values that the database computes from the old ones, in the UPDATE itself: no writer in between is lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb


@dataclass(frozen=True)
class Expression:
    """What becomes of a column: SQL about the old value, `{old}`, and one parameter, `{value}`."""

    template: str
    value: Any = None

    def sql(self, column: str) -> str:
        """Returns the SQL of the new value; the parameter is named like the column."""
        return self.template.format(old=column, value=f"%({column})s")


def increment(by: float = 1) -> Expression:
    """Adds to a number; null counts as zero."""
    return Expression("coalesce({old}, 0) + {value}", by)


def decrement(by: float = 1) -> Expression:
    """Takes from a number; null counts as zero."""
    return Expression("coalesce({old}, 0) - {value}", by)


def greatest(value: float | str | datetime) -> Expression:
    """Keeps the greater of the old value and this one; null is less than anything."""
    return Expression("greatest({old}, {value})", value)


def least(value: float | str | datetime) -> Expression:
    """Keeps the lesser of the old value and this one; null is greater than anything."""
    return Expression("least({old}, {value})", value)


def merged(members: Mapping[str, Any]) -> Expression:
    """Sets members of a JSON object and keeps its others; null counts as empty."""
    return Expression("coalesce({old}, '{{}}'::jsonb) || {value}", Jsonb(dict(members)))


def appended(*items: Any) -> Expression:
    """Adds to the end of a JSON list; null counts as empty."""
    return Expression("coalesce({old}, '[]'::jsonb) || {value}", Jsonb(list(items)))


def transaction_time() -> Expression:
    """Sets the time at which the transaction began, by the database's clock: the same for all that it writes."""
    return Expression("now()")


def clock_time() -> Expression:
    """Sets the time at which the row is written, by the database's clock: later than whatever was waited for."""
    return Expression("clock_timestamp()")


def from_now(seconds: float) -> Expression:
    """Sets a time that is so far away, by the database's clock."""
    return Expression("clock_timestamp() + make_interval(secs => {value})", seconds)
