"""X-69: how far a search has got, and when it will be done, by rules that are stated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.convergence import best_so_far, convergence, left_after, values_of, window_of
from domain.forecast import forecast
from domain.objectives import Objective
from domain.strategies import Observation

WINDOW = 10
NOISE = [0.0, 0.3, 0.1, 0.2, 0.0, 0.25, 0.15, 0.3, 0.05, 0.1]


def judged(values: list[float | None], **more: bool) -> tuple[str, float | None]:
    """Returns status and score of a search with one objective."""
    found = convergence(values, best_so_far(values), WINDOW, **more)
    return found.status, found.score


def test_a_search_goes_from_exploring_over_improving_to_converged() -> None:
    """What is gained within the last window decides, then what is gained within three."""
    rising = [number / 100 for number in range(30)]
    assert judged([]) == ("not_started", None)
    assert judged(rising[:9]) == ("exploring", None) and judged(rising[:10]) == ("exploring", None)
    status, score = judged(rising)
    assert status == "improving" and score == pytest.approx(19 / 29)
    still = [0.2] * 10
    assert judged(rising + still) == ("plateaued", 1.0)
    assert judged(rising + still * 2) == ("plateaued", 1.0)
    assert judged(rising + still * 3) == ("converged", 1.0)
    assert judged([*rising, *still * 3, 0.9])[0] == "improving"
    assert judged(rising, exhausted=True)[0] == "converged"


def test_a_search_diverges_that_reaches_nothing_any_more_or_ever_less() -> None:
    """Nothing but failures in the last window, or a median far below that of the first."""
    assert judged([None] * 9)[0] == "exploring" and judged([None] * 10)[0] == "diverged"
    assert judged(NOISE + [None] * 10)[0] == "diverged"
    assert judged([*NOISE, *([None] * 9), 0.1])[0] == "plateaued"
    assert judged(NOISE + [value - 1 for value in NOISE])[0] == "diverged"
    assert judged(NOISE + [value - 0.05 for value in NOISE])[0] == "plateaued"


def test_what_misses_a_threshold_is_no_gain_and_less_is_more_where_it_is_minimized() -> None:
    """X-56, X-29: values have any range and either direction."""
    aims = [Objective("cost", "minimize", threshold=5.0), Objective("accuracy")]
    reached = [(9.0, 1.0), (4.0, 0.5), (2.0, 0.1), (math.nan, 0.1)]
    ended = [Observation(n, {}, {"cost": c, "accuracy": a}) for n, (c, a) in enumerate(reached, 1)]
    assert values_of([*ended, Observation(5, {}, None)], aims) == [None, -4.0, -2.0, None, None]
    assert best_so_far([None, -4.0, -2.0, None]) == [None, -4.0, -2.0, -2.0]
    assert left_after([2, 1, 3], {1: 0.5, 3: 0.7}) == [None, 0.5, 0.7]
    assert [window_of(each) for each in (1, 100, 101, 10_000)] == [10, 10, 11, 100]


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=60))
def test_a_score_is_a_share_and_never_falls_while_nothing_is_gained(values: list[float | None]) -> None:
    """Any values in any order."""
    status, score = judged(values)
    assert score is None or 0.0 <= score <= 1.0
    later, after = judged([*values, None])
    assert score is None or (after is not None and after >= score)
    assert {status, later} <= {"not_started", "exploring", "improving", "plateaued", "converged", "diverged"}


def test_noise_of_an_estimate_is_no_progress_and_a_gain_beyond_it_is() -> None:
    """Of a hypervolume that is known within a margin: what both ends' margins explain was not gained."""
    rising: list[float | None] = [number / 100 for number in range(30)]
    random = np.random.default_rng(1).normal(0, 0.005, 40)
    noisy = [*rising, *(0.3 + each for each in random.tolist())]
    off = [*([0.0] * 30), *([0.01] * 40)]
    exact = [convergence(noisy[:end], noisy[:end], WINDOW).status for end in range(61, 71)]
    known = [convergence(noisy[:end], noisy[:end], WINDOW, off[:end]).status for end in range(61, 71)]
    assert "improving" in exact and set(known) == {"converged"}
    grown = [*noisy, 0.36]
    assert convergence(grown, grown, WINDOW, [*off, 0.01]).status == "improving"


def test_the_end_is_foretold_by_the_limit_that_is_reached_first() -> None:
    """Trials, money or time; the interval is as wide as the latest gaps differ, and no wider than a limit of time."""
    gaps, limits = [2.0, 2.0, 2.0, 2.0], {"max_trials": 14.0}
    even = forecast(gaps, 4, limits, {"max_trials": 4.0}, math.inf)
    assert even is not None and (even.seconds, even.low, even.high, even.limit) == (20.0, 20.0, 20.0, "max_trials")
    money = forecast(gaps, 4, limits | {"cost_micros": 60.0}, {"max_trials": 4.0, "cost_micros": 40.0}, math.inf)
    assert money is not None and (money.seconds, money.limit) == (4.0, "cost_micros")
    free = forecast(gaps, 4, limits | {"cost_micros": 60.0}, {"max_trials": 4.0, "cost_micros": 0.0}, math.inf)
    assert free == even
    uneven = forecast([1.0, 3.0, 1.0, 3.0], 4, limits, {"max_trials": 4.0}, math.inf)
    assert uneven is not None and uneven.low < 20.0 < uneven.high and uneven.low >= 0
    short = forecast([1.0, 3.0, 1.0, 3.0], 4, limits, {"max_trials": 4.0}, 7.5)
    assert short is not None and (short.seconds, short.high, short.limit) == (7.5, 7.5, "seconds")
    assert forecast(gaps[:2], 2, limits, {"max_trials": 2.0}, math.inf) is None
    rare = [400.0 * 86_400] * 4
    assert forecast(rare, 4, {"max_trials": 10_000.0}, {"max_trials": 4.0}, math.inf) is None
