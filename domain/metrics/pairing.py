"""Whether one series of scores differs from another over the same items: a paired test, and an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from domain.seeds import digest

Numbers: TypeAlias = NDArray[np.float64]

SAMPLES = 10_000
MOST_EXACT = 16
"""Up to how many differences all signs are tried: 65,536 ways."""

_AT_ONCE = 2_000_000
"""How many numbers are drawn at a time, so that memory stays flat."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference, its 95 % interval, and how likely one as large is by chance alone."""

    difference: float
    low: float
    high: float
    p_value: float


def paired(differences: Sequence[float], seed: int = 0) -> Paired:
    """Return what differences of pairs come to; the same seed gives the same. Raises ValueError of none."""
    values = np.asarray(differences, dtype=float)
    if not values.size:
        raise ValueError("there are no pairs")
    low, high = np.percentile(_resampled(values, seed), [2.5, 97.5])
    return Paired(float(values.mean()), float(low), float(high), _chance(values, seed))


def _resampled(values: Numbers, seed: int) -> Numbers:
    """Returns the means of samples drawn with replacement."""
    random = np.random.Generator(np.random.PCG64(digest(seed, "bootstrap")))
    rows = max(1, _AT_ONCE // values.size)
    parts = [
        values[random.integers(values.size, size=(min(rows, SAMPLES - done), values.size))].mean(axis=1)
        for done in range(0, SAMPLES, rows)
    ]
    return np.concatenate(parts)


def _chance(values: Numbers, seed: int) -> float:
    """Returns the share of sign changes whose sum is at least as far from zero."""
    moved = values[values != 0]
    if not moved.size:
        return 1.0
    # What is equal but for rounding counts as equal.
    bound = abs(moved.sum()) * (1 - 1e-12)
    if moved.size <= MOST_EXACT:
        ways = np.arange(2**moved.size)[:, None] >> np.arange(moved.size) & 1
        return float((np.abs((1 - 2 * ways) @ moved) >= bound).mean())
    random = np.random.Generator(np.random.PCG64(digest(seed, "permutation")))
    rows, found = max(1, _AT_ONCE // moved.size), 0
    for done in range(0, SAMPLES, rows):
        signs = 1 - 2 * random.integers(2, size=(min(rows, SAMPLES - done), moved.size))
        found += int((np.abs(signs @ moved) >= bound).sum())
    # The way that was seen is one of them.
    return (found + 1) / (SAMPLES + 1)
