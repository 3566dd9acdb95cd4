"""How many scores become one: mean, sum, median and 95th percentile, exact whatever the order of arrival."""

from bisect import insort
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias, get_args

Aggregation: TypeAlias = Literal["mean", "sum", "p50", "p95"]
AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)


class Aggregate(Protocol):
    """Takes finite numbers one by one, and tells what they come to."""

    def add(self, value: float) -> None:
        """Takes one more."""

    def value(self) -> float | None:
        """Return the float nearest to the exact answer, None of nothing; OverflowError when none is near."""


class _Total:
    """The sum, or the mean: fractions do not round, so neither order nor number of terms matters."""

    def __init__(self, *, mean: bool) -> None:
        self._mean = mean
        self._sum, self._count = Fraction(0), 0

    def add(self, value: float) -> None:
        self._sum += Fraction(value)
        self._count += 1

    def value(self) -> float | None:
        if not self._count:
            return None
        return float(self._sum / self._count if self._mean else self._sum)


class _Percentile:
    """The value below which a share lies, drawn straight between its two neighbours (NumPy's `linear`)."""

    def __init__(self, share: Fraction) -> None:
        self._share = share
        self._sorted: list[float] = []

    def add(self, value: float) -> None:
        insort(self._sorted, value)

    def value(self) -> float | None:
        if not self._sorted:
            return None
        place = self._share * (len(self._sorted) - 1)
        below = int(place)
        above = min(below + 1, len(self._sorted) - 1)
        low, high = Fraction(self._sorted[below]), Fraction(self._sorted[above])
        return float(low + (high - low) * (place - below))


def aggregate(how: Aggregation) -> Aggregate:
    """Return an aggregate of nothing yet."""
    if how in ("mean", "sum"):
        return _Total(mean=how == "mean")
    return _Percentile(Fraction(50 if how == "p50" else 95, 100))


def aggregated(values: Iterable[float], how: Aggregation) -> float | None:
    """Return what finite numbers come to, None of nothing."""
    total = aggregate(how)
    for value in values:
        total.add(value)
    return total.value()
