"""When a series of trials will be done, by how long the latest ones took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

LEAST_GAPS = 3
"""From how many ended trials on there is a forecast."""
_TWO_SIDED_95 = 1.96
_CENTURY = 100 * 365.25 * 86_400


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many seconds are left: the likeliest, and where the 95 % interval begins and ends."""

    seconds: float
    low: float
    high: float
    limit: str
    """What is reached first."""


def forecast(
    gaps: Sequence[float], ended: int, limits: Mapping[str, float], used: Mapping[str, float], seconds_left: float
) -> Forecast | None:
    """Return when the first limit is reached; None unless there are enough gaps between the ends of the latest trials.

    None, too, where it may take more than a century: calendars end.

    `limits` and `used` are by name, `max_trials` among them with what has ended. `seconds_left` is the limit of time.
    """
    if len(gaps) < LEAST_GAPS or not ended:
        return None
    left = {name: _trials_left(limits[name], used.get(name, 0.0), ended) for name in limits}
    limit = min(left, key=lambda name: left[name])
    mean, spread = fmean(gaps), stdev(gaps)
    # Each gap to come varies, and so does the mean of those that there were.
    doubt = _TWO_SIDED_95 * spread * math.sqrt(left[limit] + left[limit] ** 2 / len(gaps))
    seconds = mean * left[limit]
    if seconds_left < seconds:
        return Forecast(seconds_left, max(min(seconds - doubt, seconds_left), 0.0), seconds_left, "seconds")
    high = min(seconds + doubt, seconds_left)
    return Forecast(seconds, max(seconds - doubt, 0.0), high, limit) if high < _CENTURY else None


def _trials_left(most: float, used: float, ended: int) -> float:
    """Returns how many trials are left when each uses as much as those before; infinitely many where they use none."""
    if used <= 0:
        return math.inf
    return max(most - used, 0.0) / (used / ended)
