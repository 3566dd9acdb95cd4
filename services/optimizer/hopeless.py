"""When a run cannot go on: nothing that it tries comes to anything."""

from dataclasses import dataclass
from typing import Any

from services.optimizer.tried import Tried

_AFTER = 5
"""After how many failures, and nothing else, a run is given up."""


@dataclass(frozen=True)
class Hopeless:
    """Why a run cannot go on."""

    words: str
    error_class: str = "ERROR_CLASS_UNSPECIFIED"


def hopeless(row: dict[str, Any], tried: Tried, *, spent: bool) -> Hopeless | None:
    """Returns why a run is given up; `spent` says that no other trial will begin."""
    # What failed before the run was retried is tried again, and that others could do it says nothing.
    own = tried.rows[row["inherited_trials"] :]
    if any(t["status"] == "STATUS_COMPLETED" for t in own):
        return None
    begun = [t for t in own if t["number"] > row["retried_trials"]]
    failed = [t for t in begun if t["status"] == "STATUS_FAILED"]
    if failed and (len(failed) >= _AFTER or (spent and len(failed) == len(begun))):
        return Hopeless(failed[-1]["error"], failed[-1]["error_class"])
    return None
