"""Aggregation: exact, whatever the order, and NumPy's answers."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregation import AGGREGATIONS, Aggregation, aggregated

FLOATS = st.floats(-1e12, 1e12)
NUMPY: dict[Aggregation, Callable[[list[float]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "sum": lambda values: float(np.sum(values)),
    "p50": lambda values: float(np.percentile(values, 50)),
    "p95": lambda values: float(np.percentile(values, 95)),
}


@pytest.mark.parametrize("how", AGGREGATIONS)
@given(st.lists(FLOATS, min_size=1, max_size=60))
def test_aggregates_are_those_of_numpy(how: Aggregation, values: list[float]) -> None:
    """But for the rounding that NumPy does on the way."""
    scale = max(1.0, sum(map(abs, values)))
    assert aggregated(values, how) == pytest.approx(NUMPY[how](values), rel=1e-9, abs=1e-12 * scale)


@pytest.mark.parametrize("how", AGGREGATIONS)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=40), st.randoms())
def test_the_order_of_arrival_does_not_matter(how: Aggregation, values: list[float], chance: random.Random) -> None:
    """To the last bit: examples finish in any order, and a score must not depend on it."""
    shuffled = [*values]
    chance.shuffle(shuffled)
    assert aggregated(values, how) == aggregated(shuffled, how)


def test_aggregates_are_exact_where_floats_lose() -> None:
    """Sums that would cancel, and means beyond the range of their sum."""
    assert aggregated([1e16, 1.0, -1e16], "sum") == 1.0
    assert aggregated([0.1] * 10, "sum") == math.fsum([0.1] * 10)
    assert aggregated([1.7e308, 1.7e308], "mean") == 1.7e308
    assert aggregated([-1.7e308, 1.7e308], "p50") == 0.0
    with pytest.raises(OverflowError):
        aggregated([1.7e308, 1.7e308], "sum")


def test_nothing_comes_to_nothing() -> None:
    """Not to zero."""
    assert [aggregated([], how) for how in AGGREGATIONS] == [None] * 4
