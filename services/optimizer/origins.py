"""Where trials come from: what counts against a run's limit of trials, and what is tried again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

_AGAIN = ("STATUS_FAILED", "STATUS_CANCELLED")
STANDING = ("STATUS_RUNNING", "STATUS_COMPLETED", "STATUS_DROPPED")
_PLANNED = ("ORIGIN_SUGGESTED", COPIED := "ORIGIN_COPIED")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trial's configuration comes from, as its row says it."""

    kind: str
    trial_number: int = 0
    evaluation_id: UUID | None = None
    """The evaluation that it shares with that trial."""
    repeat: int = 0
    """How many trials with its configuration were evaluated before, where it is evaluated anew."""


SUGGESTED = Origin("ORIGIN_SUGGESTED")


def batch_before(number: int, batch: int, inherited: int) -> int:
    """Returns the last trial before a trial's batch; what a run began with is before all of them."""
    return inherited + (number - 1 - inherited) // batch * batch


def is_planned(trial: Row) -> bool:
    """Tells whether a trial counts against the run's `max_trials`."""
    return trial["origin"] in _PLANNED


def to_retry(trials: Iterable[Row], retried: int) -> Row | None:
    """Returns the first trial that had not come to its end when the run was retried, and is to be tried again.

    `retried` is how many trials there were then.
    """
    if not retried:
        return None
    known = list(trials)
    done = {each["origin_trial_number"] for each in known if each["origin"] == "ORIGIN_RETRIED"}
    # A copy fails with its original, and that is tried again.
    done |= {each["number"] for each in known if each["origin"] == COPIED}
    left = (t for t in known if t["number"] <= retried and t["status"] in _AGAIN and t["number"] not in done)
    return next(left, None)
