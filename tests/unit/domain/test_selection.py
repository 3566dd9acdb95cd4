"""One of a front: by weights, by order, at the knee, nearest to the ideal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective
from domain.pareto import Point, pareto_front
from domain.selection import distinct, knee, lexicographic, topsis, weighted

TWO = (Objective("score"), Objective("cost", "minimize"))
FRONT = [
    Point(number, {"score": score, "cost": cost})
    for number, (score, cost) in enumerate([(0.3, 1.0), (0.8, 1.5), (0.85, 6.0), (0.9, 9.0)], 1)
]
POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def test_weights_say_what_counts() -> None:
    """In shares of the range that the front spans, so that units do not matter."""
    assert weighted(FRONT, TWO, {"score": 1, "cost": 0}).number == 4
    assert weighted(FRONT, TWO, {"score": 0, "cost": 1}).number == 1
    assert weighted(FRONT, TWO, {}).number == 2
    milli = [
        Point(each.number, {"score": each.objectives["score"], "cost": 1e3 * each.objectives["cost"]}) for each in FRONT
    ]
    assert weighted(milli, TWO, {}).number == 2


def test_lexicographic_goes_on_among_those_within_the_tolerance() -> None:
    """The best score; the cheapest of those nearly as good."""
    assert lexicographic(FRONT, TWO, {}).number == 4
    assert lexicographic(FRONT, TWO, {"score": 0.06}).number == 3
    assert lexicographic(FRONT, TWO, {"score": 0.1}).number == 2


def test_the_knee_is_where_more_of_one_costs_much_of_the_other() -> None:
    """Between the ends, beyond the line through them; of two points there is none, and the older stands."""
    assert knee(FRONT, TWO).number == 2
    assert knee([FRONT[0], FRONT[3]], TWO).number == 1
    three = (*TWO, Objective("latency", "minimize"))
    rows = [(1.0, 9, 9), (0.0, 1, 9), (0.0, 9, 1), (0.8, 2, 2), (0.3, 5, 5)]
    front = [Point(n, dict(zip(("score", "cost", "latency"), row, strict=True))) for n, row in enumerate(rows, 1)]
    assert knee(front, three).number == 4


def test_topsis_is_near_the_ideal_and_far_from_the_worst() -> None:
    """Weights move it."""
    assert topsis(FRONT, TWO, {}).number == 2
    assert topsis(FRONT, TWO, {"score": 100}).number == 4
    assert topsis(FRONT, TWO, {"cost": 100}).number == 1


@pytest.mark.parametrize("rule", [knee, lambda f, o: topsis(f, o, {}), lambda f, o: weighted(f, o, {})])
@given(POINTS)
def test_every_rule_takes_one_of_the_front(rule: object, rows: list[tuple[int, int]]) -> None:
    """Whatever the front: also of one point, and of points that share a value."""
    points = [Point(n, {"score": float(a), "cost": float(b)}) for n, (a, b) in enumerate(rows, 1)]
    front = pareto_front(points, TWO)
    assert rule(front, TWO) in front  # type: ignore[operator]
    assert lexicographic(front, TWO, {}) in front


@given(POINTS, st.sampled_from([0.0, 0.5, 2.0, 3.0]))
def test_one_of_a_box_stays(rows: list[tuple[int, int]], size: float) -> None:
    """Every trial that goes has one within its box; without a size all distinct values stay."""
    points = [Point(n, {"score": float(a), "cost": float(b)}) for n, (a, b) in enumerate(rows, 1)]
    kept = distinct(points, TWO, {"score": size, "cost": size})
    assert [each.number for each in kept] == sorted({each.number for each in kept})
    for each in points:
        near = [k for k in kept if all(abs(k.objectives[n] - each.objectives[n]) <= size for n in ("score", "cost"))]
        assert near
