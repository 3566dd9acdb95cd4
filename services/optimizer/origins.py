"""Where trials come from: what counts against a run's limit of trials, and what is tried again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_AGAIN = ("STATUS_FAILED", "STATUS_CANCELLED")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trial's configuration comes from, as its row says it."""

    kind: str
    trial_number: int = 0


SUGGESTED = Origin("ORIGIN_SUGGESTED")


def planned(trials: Iterable[Row]) -> int:
    """Returns how many trials count against the run's `max_trials`."""
    return sum(each["origin"] == SUGGESTED.kind for each in trials)


def to_retry(trials: Iterable[Row], retried: int) -> Row | None:
    """Returns the first trial that had not come to its end when the run was retried, and is to be tried again.

    `retried` is how many trials there were then.
    """
    known = list(trials)
    done = {each["origin_trial_number"] for each in known if each["origin"] == "ORIGIN_RETRIED"}
    left = (t for t in known if t["number"] <= retried and t["status"] in _AGAIN and t["number"] not in done)
    return next(left, None)
