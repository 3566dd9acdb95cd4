"""What a configuration is worth on examples that nothing has seen: the gain over a baseline, and how sure it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.aggregation import Aggregation
from domain.objectives import Direction
from domain.seeds import digest

Verdict: TypeAlias = Literal["proven gain", "no proven gain", "proven loss"]
Numbers: TypeAlias = NDArray[np.float64]

SAMPLES = 10_000
LEAST_PAIRS = 6
"""With fewer pairs even an unbroken series of gains is likelier than 5 % by chance (2 ** -5 for each way)."""

_AT_ONCE = 2_000_000
_REDUCED: dict[Aggregation, Callable[[Numbers], Numbers]] = {
    "mean": lambda rows: np.asarray(rows.mean(axis=1)),
    "sum": lambda rows: np.asarray(rows.sum(axis=1)),
    "p50": lambda rows: np.percentile(rows, 50, axis=1),
    "p95": lambda rows: np.percentile(rows, 95, axis=1),
}


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better something is, and the 95 % interval of that; above 0 is better, whichever way that is."""

    gain: float
    low: float
    high: float
    verdict: Verdict


def gain_over(
    baseline: Sequence[float], best: Sequence[float], direction: Direction, how: Aggregation = "mean", seed: int = 0
) -> Gain | None:
    """Return the gain over paired values, None where there is no pair; the same seed gives the same interval."""
    before, after = np.asarray(baseline, dtype=float), np.asarray(best, dtype=float)
    if not before.size:
        return None
    sign, reduced = (1.0 if direction == "maximize" else -1.0), _REDUCED[how]
    gain = sign * float((reduced(after[None, :]) - reduced(before[None, :]))[0])
    low, high = np.percentile(sign * _resampled(before, after, reduced, seed), [2.5, 97.5])
    return Gain(gain, float(low), float(high), _verdict(before.size, float(low), float(high)))


def _verdict(pairs: int, low: float, high: float) -> Verdict:
    if pairs < LEAST_PAIRS or low <= 0 <= high:
        return "no proven gain"
    return "proven gain" if low > 0 else "proven loss"


def _resampled(before: Numbers, after: Numbers, reduced: Callable[[Numbers], Numbers], seed: int) -> Numbers:
    """Returns the differences of samples of pairs, drawn with replacement."""
    random = np.random.Generator(np.random.PCG64(digest(seed, "holdout")))
    rows, parts = max(1, _AT_ONCE // before.size), []
    for done in range(0, SAMPLES, rows):
        drawn = random.integers(before.size, size=(min(rows, SAMPLES - done), before.size))
        parts.append(reduced(after[drawn]) - reduced(before[drawn]))
    return np.concatenate(parts)
