"""Numbers to tune: floats and integers, with ranges, steps and logarithms."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

from domain.seeds import Draw
from domain.values import LARGEST_INTEGER, Json, Violation, refused, shown

SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class FloatVariable:
    """A number between `low` and `high`; with a `step`, one of the grid low, low + step, ..."""

    kind: ClassVar[str] = "float"
    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None
    description: str = ""

    def __post_init__(self) -> None:
        for field in ("low", "high", "step", "default"):
            if isinstance(value := getattr(self, field), int) and _is_finite(value):
                object.__setattr__(self, field, float(value))

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its domain, at paths below `path`."""
        bounds = {"low": self.low, "high": self.high}
        for field, bound in bounds.items():
            if not _is_finite(bound):
                yield Violation(f"{path}.{field}", f"must be a finite number, not {shown(bound)}", "WRONG_TYPE")
        if all(_is_finite(bound) for bound in bounds.values()):
            yield from _range_faults(self.low, self.high, self.log, path)
            yield from self._step_faults(path)

    def _step_faults(self, path: str) -> Iterator[Violation]:
        if self.step is None:
            return
        if not _is_finite(self.step) or self.step <= 0:
            yield Violation(f"{path}.step", "must be a finite number above 0", "OUT_OF_RANGE")
        elif self.step < 2e-11 * max(abs(self.low), abs(self.high)):
            message = f"is too fine: values hold {SIGNIFICANT_DIGITS} significant digits"
            yield Violation(f"{path}.step", message, "OUT_OF_RANGE")

    @cached_property
    def cardinality(self) -> int | None:
        """The number of values; None where they are a continuum."""
        if self.low == self.high:
            return 1
        if self.step is None:
            return None
        # Decimal arithmetic on what the user wrote: 0 to 1 by 0.1 has eleven points, whatever doubles say.
        return int((_exactly(self.high) - _exactly(self.low)) / _exactly(self.step)) + 1

    def accept(self, value: Json, path: str) -> float:
        """Return the value as a number of the domain: snapped to the step, of 12 significant digits."""
        if not _is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
            raise refused(path, f"must be a finite number, not {shown(value)}", "WRONG_TYPE")
        if not self.low <= value <= self.high:
            raise refused(path, f"must lie between {self.low} and {self.high}, not {shown(value)}", "OUT_OF_RANGE")
        return self._snapped(float(value))

    def draw(self, source: Draw) -> float:
        """Draws evenly from the domain, or evenly in the logarithm."""
        if self.step is not None and not self.log:
            return self.at(source.below(self.cardinality or 1))
        share = source.unit()
        if self.log:
            return self._snapped(math.exp(math.log(self.low) * (1 - share) + math.log(self.high) * share))
        return self._snapped(self.low * (1 - share) + self.high * share)

    def at(self, index: int) -> float:
        """Return the grid's point of that index, from 0."""
        return self._rounded(float(_exactly(self.low) + index * _exactly(self.step or 0.0)))

    def index(self, value: float) -> int:
        """Return the index of the grid's point nearest to the value."""
        nearest = round((value - self.low) / (self.step or 1.0))
        return min(max(nearest, 0), (self.cardinality or 1) - 1)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, "log": self.log, **step}

    def _snapped(self, value: float) -> float:
        return self._rounded(value) if self.step is None else self.at(self.index(value))

    def _rounded(self, value: float) -> float:
        rounded = float(f"{value:.{SIGNIFICANT_DIGITS - 1}e}") + 0.0  # + 0.0: there is no negative zero
        return float(min(max(rounded, self.low), self.high))


@dataclass(frozen=True)
class IntegerVariable:
    """A whole number among low, low + step, ... up to `high`."""

    kind: ClassVar[str] = "integer"
    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False
    default: int | None = None
    description: str = ""

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its domain, at paths below `path`."""
        fields = {"low": self.low, "high": self.high, "step": self.step}
        wrong = [field for field, value in fields.items() if not _is_whole(value)]
        for field in wrong:
            message = f"must be a whole number within 2^53, not {shown(fields[field])}"
            yield Violation(f"{path}.{field}", message, "WRONG_TYPE")
        if "step" not in wrong and self.step <= 0:
            yield Violation(f"{path}.step", "must be above 0", "OUT_OF_RANGE")
        if not {"low", "high"} & set(wrong):
            yield from _range_faults(self.low, self.high, self.log, path)

    @cached_property
    def cardinality(self) -> int:
        """The number of values."""
        return (self.high - self.low) // self.step + 1

    def accept(self, value: Json, path: str) -> int:
        """Return the value as an integer of the domain; 3.0 is 3."""
        if not _is_number(value) or (isinstance(value, float) and not value.is_integer()):
            raise refused(path, f"must be a whole number, not {shown(value)}", "WRONG_TYPE")
        if not self.low <= value <= self.high:
            raise refused(path, f"must lie between {self.low} and {self.high}, not {shown(value)}", "OUT_OF_RANGE")
        if (int(value) - self.low) % self.step:
            raise refused(path, f"must be {self.low} plus a multiple of {self.step}, not {shown(value)}", "OFF_STEP")
        return int(value)

    def draw(self, source: Draw) -> int:
        """Draws evenly from the domain, or evenly in the logarithm."""
        if not self.log:
            return self.at(source.below(self.cardinality))
        share = source.unit()
        # Half a unit beyond both ends, so that the ends are as likely as their neighbours.
        value = math.exp(math.log(self.low - 0.5) * (1 - share) + math.log(self.high + 0.5) * share)
        return self.at(self.index(value))

    def at(self, index: int) -> int:
        """Return the value of that index, from 0."""
        return self.low + index * self.step

    def index(self, value: float) -> int:
        """Return the index of the value nearest to the number."""
        return min(max(round((value - self.low) / self.step), 0), self.cardinality - 1)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    try:
        return _is_number(value) and math.isfinite(value)
    except OverflowError:  # an integer that no double reaches
        return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_INTEGER


def _range_faults(low: float, high: float, log: bool, path: str) -> Iterator[Violation]:
    if low > high:
        yield Violation(f"{path}.high", f"must not be below low ({low})", "OUT_OF_RANGE")
    elif not math.isfinite(high - low):
        yield Violation(f"{path}.high", "is too far from low", "OUT_OF_RANGE")
    if not isinstance(log, bool):
        yield Violation(f"{path}.log", f"must be true or false, not {shown(log)}", "WRONG_TYPE")
    elif log and low <= 0:
        yield Violation(f"{path}.low", "must be above 0 for a logarithmic range", "OUT_OF_RANGE")


def _exactly(number: float) -> Fraction:
    return Fraction(repr(number))
