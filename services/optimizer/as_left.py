"""A run as the last turn of this process left it: the next one takes it for that, and reads nothing.

Whether it still is that is for the database to say, in what locks the run's row: the transaction of a turn that was
mistaken is undone before anything of it was done, and the turn is taken again, reading. What is compared is what every
change counts up, whoever makes it: the row's version, its last event's number, and the versions of its open trials.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from framework.storage import Transaction

VERSIONS = ("lock_version", "last_sequence")
"""What of a run's row counts up with every change of it."""
MOST_OPEN = 256
"""How many open trials of a run are remembered at most: a few hundred kilobytes."""
FRESH_SECONDS = 10.0
"""For how long the clock is taken for what it was, and as much later as it is here."""
LATE_SECONDS = 5.0
"""How much later it may be in the database: it has waited for the lock, or else this machine was asleep."""

# Behind the lock on the run's row, so that it sees what the turn before has left.
_AS_LEFT = """
SELECT 1 FROM (
    SELECT count(*) AS count, coalesce(sum(lock_version), 0) AS versions FROM trials
    WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_RUNNING') AS open
WHERE count = %(count)s AND versions = %(versions)s
  AND clock_timestamp() BETWEEN %(now)s - interval '1 second' AND %(now)s + make_interval(secs => %(late)s)
"""


@dataclass
class Clock:
    """The database's clock, as a transaction has read it."""

    began: datetime
    """What the whole transaction has for the time, as `now()` in its statements."""
    read: datetime
    since: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> datetime:
        """The time by now: what was read, and as much later as it is here."""
        return self.read + timedelta(seconds=time.monotonic() - self.since)


@dataclass
class AsLeft:
    """A run's row, its open trials by number, and the clock when they were read."""

    row: dict[str, Any]
    open: dict[int, dict[str, Any]]
    clock: Clock

    @property
    def is_fresh(self) -> bool:
        """Whether it was read lately enough."""
        return time.monotonic() - self.clock.since < FRESH_SECONDS

    @property
    def is_small(self) -> bool:
        """Whether it is worth its memory."""
        return len(self.open) <= MOST_OPEN

    @property
    def versions(self) -> dict[str, int]:
        """What the run's row must have for it to be as it was left."""
        return {name: self.row[name] for name in VERSIONS}

    async def require(self, tx: Transaction) -> Clock:
        """Has the open trials be as they were left, behind the lock on the run's row; returns what time it is."""
        now = self.clock.now
        for each in self.open.values():
            until = each["lease_until"]
            left = None if until is None else (until - now).total_seconds()
            each |= {"ended": left is not None and left <= 0, "seconds": left}
        versions = sum(each["lock_version"] for each in self.open.values())
        known = {"count": len(self.open), "versions": versions, "now": now, "late": LATE_SECONDS}
        ids = {"organization": self.row["organization_id"], "run": self.row["id"]}
        await tx.require(_AS_LEFT, ids | known)
        return Clock(now, now)
