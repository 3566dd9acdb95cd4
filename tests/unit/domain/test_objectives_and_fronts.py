"""Objectives: directions, thresholds, dominance and the best trial."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective, best, dominates, is_feasible, violation
from domain.pareto import pareto_front
from domain.strategies import Observation

ACCURACY = Objective("accuracy", "maximize")
COST = Objective("cost", "minimize")
BOTH = (ACCURACY, COST)
BOUND = (Objective("accuracy", threshold=2), Objective("cost", "minimize", threshold=3))
SCORES = st.integers(0, 4).map(float)
POINTS = st.lists(st.none() | st.fixed_dictionaries({"accuracy": SCORES, "cost": SCORES}), max_size=12).map(
    lambda points: [Observation(number, {}, reached) for number, reached in enumerate(points, 1)]
)


def trial(number: int, accuracy: float, cost: float = 0.0) -> Observation:
    """Return a trial that reached these."""
    return Observation(number, {}, {"accuracy": accuracy, "cost": cost})


def test_better_follows_the_direction() -> None:
    """Strictly: equal is not better."""
    assert ACCURACY.better(2, 1)
    assert COST.better(1, 2)
    assert not ACCURACY.better(1, 1)
    with pytest.raises(ValueError, match="direction"):
        Objective("x", "up")  # type: ignore[arg-type]


@pytest.mark.parametrize("objectives", [BOTH, BOUND])
@given(trials=POINTS)
def test_dominance_is_a_strict_partial_order(objectives: Sequence[Objective], trials: list[Observation]) -> None:
    """Nothing dominates itself, never both ways, and who dominates a dominator dominates."""
    points = [each.objectives for each in trials if each.objectives is not None]
    over = {(a, b) for a, b in product(range(len(points)), repeat=2) if dominates(points[a], points[b], objectives)}
    assert not any((b, a) in over for a, b in over)
    assert all((a, d) in over for a, b in over for c, d in over if b == c)


@given(POINTS)
def test_feasible_dominates_infeasible_and_a_small_violation_a_large_one(trials: list[Observation]) -> None:
    """Whatever else was reached; between feasible ones the thresholds have no say."""
    points = [each.objectives for each in trials if each.objectives is not None]
    for a, b in product(points, repeat=2):
        if is_feasible(a, BOUND) and is_feasible(b, BOUND):
            assert dominates(a, b, BOUND) == dominates(a, b, BOTH)
        else:
            assert dominates(a, b, BOUND) == (violation(a, BOUND) < violation(b, BOUND))


def test_a_violation_is_measured_in_multiples_of_the_threshold() -> None:
    """So that a missed accuracy and a missed price add up; on the threshold is not beyond it."""
    assert violation({"accuracy": 2, "cost": 3}, BOUND) == 0
    assert violation({"accuracy": 1, "cost": 6}, BOUND) == 0.5 + 1
    assert violation({"loss": 0.25}, [Objective("loss", "minimize", threshold=0)]) == 0.25


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_exactly_what_is_worse_than_the_threshold_is_infeasible(threshold: float, value: float) -> None:
    """However near or far, in both directions."""
    assert is_feasible({"x": value}, [Objective("x", threshold=threshold)]) == (value >= threshold)
    assert is_feasible({"x": value}, [Objective("x", "minimize", threshold=threshold)]) == (value <= threshold)


@pytest.mark.parametrize("field", ["threshold", "reference"])
def test_a_threshold_and_a_reference_are_finite(field: str) -> None:
    """An infinite threshold is none or forbids everything."""
    with pytest.raises(ValueError, match=field):
        Objective("x", **{field: math.inf})


@given(POINTS)
def test_the_best_is_the_first_of_those_that_nobody_beats(trials: list[Observation]) -> None:
    """By the first objective; ties go to the older number; order of arrival does not matter."""
    scored = [each for each in trials if each.objectives is not None]
    top = max((each.objectives["accuracy"] for each in scored if each.objectives), default=None)
    expected = next((each for each in scored if each.objectives and each.objectives["accuracy"] == top), None)
    assert best(trials, BOTH) == expected
    assert best(list(reversed(trials)), BOTH) == expected


def test_the_best_is_feasible_where_any_is() -> None:
    """However good the others are; where none is, the least violation comes first, then the first objective."""
    trials = [trial(1, 4, cost=9), trial(2, 3, cost=3), trial(3, 2, cost=0)]
    assert best(trials, BOUND) == trials[1]
    assert best([trials[0], trial(4, 4, cost=6), trial(5, 5, cost=6)], BOUND) == trial(5, 5, cost=6)


def test_the_best_minimises_where_less_is_better() -> None:
    """The direction is the objective's, and scores need not lie between 0 and 1."""
    trials = [trial(1, 5, cost=30), trial(2, 5, cost=-7), trial(3, 5, cost=-7)]
    assert best(trials, [COST]) == trials[1]


def test_failed_trials_and_nan_are_never_best_and_never_on_the_front() -> None:
    """Nor does their presence hide others."""
    trials = [Observation(1, {}, None), trial(2, math.nan), trial(3, 0.1, 5)]
    assert best(trials, BOTH) == trials[2]
    assert pareto_front(trials, BOTH) == [trials[2]]
    assert best(trials[:2], BOTH) is None
    assert pareto_front([], BOTH) == []
