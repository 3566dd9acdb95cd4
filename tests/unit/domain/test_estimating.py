"""What many will take, by what a few took: intervals that hold what they say, and fewer words where less is known."""

import numpy as np
import pytest

from domain.estimating import Quantity, scaled, total


def test_one_that_was_seen_says_no_interval() -> None:
    """And what never differed is known for sure."""
    assert total([3.0], 10) == Quantity(30.0)
    assert total([3.0, 3.0, 3.0], 10) == Quantity(30.0, 30.0, 30.0)


@pytest.mark.parametrize("seen", [3, 10])
def test_the_interval_holds_the_sum_as_often_as_it_says(seen: int) -> None:
    """Of normal draws exactly; 2,000 tries of a fixed seed cannot be far off 95 %."""
    random, held = np.random.default_rng(5), 0
    for _ in range(2000):
        draws = random.normal(100.0, 20.0, seen + 40)
        found = total(list(draws[:seen]), 40)
        assert found.low is not None and found.high is not None
        held += found.low <= draws[seen:].sum() <= found.high
    assert 0.935 <= held / 2000 <= 0.965


def test_what_is_counted_is_never_below_nothing() -> None:
    """However much the few differed."""
    assert total([0.0, 100.0], 10).low == 0.0
    assert scaled(Quantity(10.0, 4.0, 16.0), 0.5) == Quantity(5.0, 2.0, 8.0)
