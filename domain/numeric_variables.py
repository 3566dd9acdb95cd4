"""Numbers to tune: floats and integers, with ranges, steps, logarithms and distributions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar

from domain.expressions.kinds import NUMBER, Kind
from domain.normal import Normal
from domain.notes import NOTHING, Notes
from domain.seeds import Draw
from domain.values import LARGEST_INTEGER, Json, Violation, is_finite, is_number, refused, shown

SIGNIFICANT_DIGITS = 12
_ROUNDED = f".{SIGNIFICANT_DIGITS - 1}e"


@dataclass(frozen=True)
class FloatVariable:
    """A number between `low` and `high`; with a `step`, one of the grid low, low + step, ...

    It is drawn evenly, evenly in the logarithm, or from a normal distribution cut off at both ends.
    """

    kind: ClassVar[str] = "float"
    reads_as: ClassVar[Kind] = NUMBER
    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    default: float | None = None
    description: str = ""
    normal: Normal | None = None
    when: str = ""
    notes: Notes = NOTHING

    def __post_init__(self) -> None:
        for field in ("low", "high", "step", "default"):
            if isinstance(value := getattr(self, field), int) and is_finite(value):
                object.__setattr__(self, field, float(value))

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its domain, at paths below `path`."""
        bounds = {"low": self.low, "high": self.high}
        for field, bound in bounds.items():
            if not is_finite(bound):
                yield Violation(f"{path}.{field}", f"must be a finite number, not {shown(bound)}", "WRONG_TYPE")
        if all(is_finite(bound) for bound in bounds.values()):
            yield from _range_faults(self.low, self.high, self.log, path)
            yield from self._step_faults(path)
            yield from self._normal_faults(path)

    def _normal_faults(self, path: str) -> Iterator[Violation]:
        if self.normal is None:
            return
        yield from self.normal.faults(self.low, self.high, f"{path}.normal")
        if self.log is True:
            yield Violation(f"{path}.normal", "must be absent from a logarithmic range", "CONTRADICTION")

    def _step_faults(self, path: str) -> Iterator[Violation]:
        if self.step is None:
            return
        if not is_finite(self.step) or self.step <= 0:
            yield Violation(f"{path}.step", "must be a finite number above 0", "OUT_OF_RANGE")
        elif self.step < 2e-11 * max(abs(self.low), abs(self.high)):
            message = f"is too fine: values hold {SIGNIFICANT_DIGITS} significant digits"
            yield Violation(f"{path}.step", message, "OUT_OF_RANGE")

    @cached_property
    def cardinality(self) -> int | None:
        """The number of values; None where they are a continuum."""
        if self._rounded(self.low) == self._rounded(self.high):  # no two values between them differ in their digits
            return 1
        if self.step is None:
            return None
        # Decimal arithmetic on what the user wrote: 0 to 1 by 0.1 has eleven points, whatever doubles say.
        return int((_exactly(self.high) - _exactly(self.low)) / _exactly(self.step)) + 1

    def accept(self, value: Json, path: str) -> float:
        """Return the value as a number of the domain: snapped to the step, of 12 significant digits."""
        if not is_number(value) or (isinstance(value, float) and not math.isfinite(value)):
            raise refused(path, f"must be a finite number, not {shown(value)}", "WRONG_TYPE")
        if not self.low <= value <= self.high:
            raise refused(path, f"must lie between {self.low} and {self.high}, not {shown(value)}", "OUT_OF_RANGE")
        return self._snapped(float(value))

    def draw(self, source: Draw) -> float:
        """Draws evenly from the domain, or evenly in the logarithm."""
        if self.step is not None and not self.log and self.normal is None:
            return self.at(source.below(self.cardinality or 1))
        share = source.unit()
        if self.normal is not None:
            return self._snapped(self.normal.quantile(share, self.low, self.high))
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
        normal = {} if self.normal is None else {"normal": self.normal.to_json()}
        return {"low": self.low, "high": self.high, "log": self.log, **step, **normal}

    def _snapped(self, value: float) -> float:
        return self._rounded(value) if self.step is None else self.at(self.index(value))

    def _rounded(self, value: float) -> float:
        rounded = float(f"{value:{_ROUNDED}}") + 0.0  # + 0.0: there is no negative zero
        return rounded if self.low <= rounded <= self.high else self._clamped(rounded)

    def _clamped(self, value: float) -> float:
        return self.low if value < self.low else self.high


@dataclass(frozen=True)
class IntegerVariable:
    """A whole number among low, low + step, ... up to `high`, or among the powers of two from `low` to `high`."""

    kind: ClassVar[str] = "integer"
    reads_as: ClassVar[Kind] = NUMBER
    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False
    default: int | None = None
    description: str = ""
    power_of_two: bool = False
    when: str = ""
    notes: Notes = NOTHING

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
            yield from self._power_faults(path)

    def _power_faults(self, path: str) -> Iterator[Violation]:
        place = f"{path}.power_of_two"
        if not isinstance(self.power_of_two, bool):
            yield Violation(place, f"must be true or false, not {shown(self.power_of_two)}", "WRONG_TYPE")
        elif self.power_of_two:
            if self.log or self.step != 1:
                yield Violation(place, "must be absent where there is a logarithm or a step", "CONTRADICTION")
            for field, bound in (("low", self.low), ("high", self.high)):
                if bound < 1 or bound & (bound - 1):
                    message = f"must be a power of two, as the values are, not {bound}"
                    yield Violation(f"{path}.{field}", message, "OUT_OF_RANGE")

    @cached_property
    def cardinality(self) -> int:
        """The number of values."""
        if self.power_of_two:
            return self.high.bit_length() - self.low.bit_length() + 1
        return (self.high - self.low) // self.step + 1

    def accept(self, value: Json, path: str) -> int:
        """Return the value as an integer of the domain; 3.0 is 3."""
        if not is_number(value) or (isinstance(value, float) and not value.is_integer()):
            raise refused(path, f"must be a whole number, not {shown(value)}", "WRONG_TYPE")
        if not self.low <= value <= self.high:
            raise refused(path, f"must lie between {self.low} and {self.high}, not {shown(value)}", "OUT_OF_RANGE")
        if self.power_of_two and int(value) & (int(value) - 1):
            raise refused(path, f"must be a power of two, not {shown(value)}", "OFF_STEP")
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
        return self.low << index if self.power_of_two else self.low + index * self.step

    def index(self, value: float) -> int:
        """Return the index of the value nearest to the number; among powers of two, nearest in the logarithm."""
        place = math.log2(max(value, self.low) / self.low) if self.power_of_two else (value - self.low) / self.step
        return min(max(round(place), 0), self.cardinality - 1)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        power = {"power_of_two": True} if self.power_of_two else {}
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step, **power}


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
