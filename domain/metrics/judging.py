"""The scale of a judge: what it says, and what that means."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOW, HIGH = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """The marks that a judge may give, and what they come to between 0 and 1.

    Without calibration the lowest mark is 0 and the highest 1, straight in between. Calibration says what marks turned
    out to mean, pair by pair, such as those that people gave to what the judge had marked; between two of them the
    line is straight, beyond the outermost it is flat.
    """

    low: float = LOW
    high: float = HIGH
    calibration: Sequence[tuple[float, float]] = ()

    def score(self, mark: float) -> float:
        """Return what a mark comes to; raises ValueError for a mark that is not on the scale."""
        if not self.low <= mark <= self.high:
            raise ValueError(f"the mark {mark:g} is not on the scale from {self.low:g} to {self.high:g}")
        points = self.calibration or ((self.low, 0.0), (self.high, 1.0))
        return max(0.0, min(1.0, _between(points, mark)))


def scale_of(params: Mapping[str, Any]) -> Scale:
    """Return the scale that a judge is told; raises ValueError when there is nothing between its ends."""
    low, high = params.get("low", LOW), params.get("high", HIGH)
    if not low < high:
        raise ValueError("`low` must be less than `high`")
    return Scale(low, high, tuple((said, meant) for said, meant in params.get("calibration", ())))


def _between(points: Sequence[tuple[float, float]], mark: float) -> float:
    right = bisect_right([said for said, _ in points], mark)
    if right in (0, len(points)):
        return points[min(right, len(points) - 1)][1]
    (before, low), (after, high) = points[right - 1], points[right]
    return low + (high - low) * (mark - before) / (after - before)
