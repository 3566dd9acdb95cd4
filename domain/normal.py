"""The normal distribution cut off at both ends of a range."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

from domain.values import Json, Violation, is_finite, shown

_STANDARD = NormalDist()


@dataclass(frozen=True)
class Normal:
    """Values near `mean` are likelier: a normal distribution of deviation `sigma`, cut off where the range ends."""

    mean: float
    sigma: float

    def __post_init__(self) -> None:
        for field in ("mean", "sigma"):
            if isinstance(value := getattr(self, field), int) and is_finite(value):
                object.__setattr__(self, field, float(value))

    def faults(self, low: float, high: float, path: str) -> Iterator[Violation]:
        """Yield what is wrong with it for the range from `low` to `high`, at paths below `path`."""
        if not is_finite(self.mean) or not low <= self.mean <= high:
            message = f"must lie between {low} and {high}, not {shown(self.mean)}"
            yield Violation(f"{path}.mean", message, "OUT_OF_RANGE")
        if not is_finite(self.sigma) or self.sigma <= 0:
            yield Violation(
                f"{path}.sigma", f"must be a finite number above 0, not {shown(self.sigma)}", "OUT_OF_RANGE"
            )

    def quantile(self, share: float, low: float, high: float) -> float:
        """Return the value below which that share of the draws from `low` to `high` lies; rising in the share."""
        if low == high:
            return low
        first, last = self._below(low), self._below(high)
        place = first * (1 - share) + last * share
        # The mean lies within the range, so that half of one side at least is never lost to rounding.
        if not 0.0 < place < 1.0:
            return low if place <= 0.0 else high
        value = self.mean + self.sigma * _STANDARD.inv_cdf(place)
        # So flat that all places are alike to a double: evenly, as it is in the limit.
        if last - first < 1e-9 or not math.isfinite(value):
            value = low * (1 - share) + high * share
        return min(max(value, low), high)

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"mean": self.mean, "sigma": self.sigma}

    def _below(self, value: float) -> float:
        distance = (value - self.mean) / self.sigma
        return 0.5 * math.erfc(-distance / math.sqrt(2))
