"""What is held out: gains over a baseline in pairs, whichever way is better, and words that claim no more than that."""

import numpy as np
import pytest

from domain.holdout import gain_over


def test_a_gain_is_proven_when_its_interval_is_beyond_zero() -> None:
    """And a loss likewise; less of what is to be minimized is a gain."""
    before, after = [0.0] * 30, [1.0] * 25 + [0.0] * 5
    found = gain_over(before, after, "maximize")
    assert found is not None and found.verdict == "proven gain"
    assert found.gain == pytest.approx(25 / 30) and 0 < found.low < found.gain < found.high <= 1
    lost = gain_over(before, after, "minimize")
    assert lost is not None and lost.verdict == "proven loss" and lost.gain == pytest.approx(-25 / 30)


def test_what_may_be_chance_is_no_proven_gain() -> None:
    """An interval that contains 0, no difference at all, and too few pairs to say anything."""
    mixed = gain_over([0.0, 1.0] * 10, [1.0, 0.0] * 9 + [1.0, 1.0], "maximize")
    assert mixed is not None and mixed.low <= 0 <= mixed.high and mixed.verdict == "no proven gain"
    for before, after in (([1.0] * 50, [1.0] * 50), ([0.0] * 5, [1.0] * 5)):
        found = gain_over(before, after, "maximize")
        assert found is not None and found.verdict == "no proven gain"
    assert gain_over([], [], "maximize") is None


def test_pairs_say_more_than_means() -> None:
    """Examples differ far more than the configurations do; each against itself, a small gain is proven."""
    random = np.random.default_rng(1)
    hard = random.normal(0, 10, 60)
    after = list(hard + 0.5 + random.normal(0, 0.5, 60))
    found = gain_over(list(hard), after, "maximize", seed=3)
    assert found is not None and found.verdict == "proven gain"
    assert gain_over(list(hard), after, "maximize", seed=3) == found


@pytest.mark.parametrize(("how", "gain"), [("mean", 2.0), ("sum", 80.0), ("p50", 2.0), ("p95", 2.0)])
def test_the_gain_is_of_the_objective_s_own_aggregation(how: str, gain: float) -> None:
    """Every example two less, and less is better."""
    values = [float(each) for each in range(40)]
    found = gain_over(values, [each - 2 for each in values], "minimize", how)  # type: ignore[arg-type]
    assert found is not None and found.gain == pytest.approx(gain) and found.low == pytest.approx(gain)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 draws without any difference about one in twenty is claimed to be one."""
    random = np.random.default_rng(7)
    claimed = 0
    for seed in range(200):
        difference = random.normal(0, 1, 40)
        found = gain_over([0.0] * 40, list(difference), "maximize", seed=seed)
        claimed += found is not None and found.verdict != "no proven gain"
    assert claimed <= 24
