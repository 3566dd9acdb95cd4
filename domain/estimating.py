"""What many will take, by what a few took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

_SURE = 0.975
"""Both ends of a 95 % interval leave 2.5 % outside."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much is expected, and the 95 % interval of it; None where too little was seen to say one."""

    expected: float
    low: float | None = None
    high: float | None = None


def total(seen: Sequence[float], count: int) -> Quantity:
    """Return what `count` further ones will come to, of which so many were seen; at least one must be.

    Student's t for the sum of `count` draws of the population that the seen ones are a sample of: what is not known of
    the mean, and how much the draws differ themselves. What is counted is never below 0.
    """
    number, mean = len(seen), math.fsum(seen) / len(seen)
    if number < 2:
        return Quantity(count * mean)
    variance = math.fsum((each - mean) ** 2 for each in seen) / (number - 1)
    half = float(stdtrit(number - 1, _SURE)) * math.sqrt(variance * (count + count**2 / number))
    return Quantity(count * mean, max(count * mean - half, 0.0), count * mean + half)


def scaled(quantity: Quantity, factor: float) -> Quantity:
    """Return the quantity in another unit."""
    low = None if quantity.low is None else quantity.low * factor
    return Quantity(quantity.expected * factor, low, None if quantity.high is None else quantity.high * factor)
