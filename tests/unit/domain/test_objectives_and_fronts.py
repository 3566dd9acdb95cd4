"""Objectives: directions, dominance, the Pareto front and the best trial."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective, best, dominates, pareto_front
from domain.strategies import Observation

ACCURACY = Objective("accuracy", "maximize")
COST = Objective("cost", "minimize")
BOTH = (ACCURACY, COST)
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


@given(POINTS)
def test_the_front_is_every_scored_trial_that_none_dominates(trials: list[Observation]) -> None:
    """Against the definition, over all pairs."""
    scored = [each for each in trials if each.objectives is not None]
    expected = [
        each
        for each in scored
        if not any(dominates(other.objectives or {}, each.objectives or {}, BOTH) for other in scored)
    ]
    assert pareto_front(trials, BOTH) == expected
    assert pareto_front(list(reversed(trials)), BOTH) == expected


@given(POINTS)
def test_dominance_is_a_strict_partial_order(trials: list[Observation]) -> None:
    """Nothing dominates itself, and never both ways."""
    points = [each.objectives for each in trials if each.objectives is not None]
    for a in points:
        assert not dominates(a, a, BOTH)
        assert not any(dominates(a, b, BOTH) and dominates(b, a, BOTH) for b in points)


@given(POINTS)
def test_the_best_is_the_first_of_those_that_nobody_beats(trials: list[Observation]) -> None:
    """By the first objective; ties go to the older number; order of arrival does not matter."""
    scored = [each for each in trials if each.objectives is not None]
    top = max((each.objectives["accuracy"] for each in scored if each.objectives), default=None)
    expected = next((each for each in scored if each.objectives and each.objectives["accuracy"] == top), None)
    assert best(trials, BOTH) == expected
    assert best(list(reversed(trials)), BOTH) == expected


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
