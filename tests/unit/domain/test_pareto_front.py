"""The front of a run: what enters, what leaves, and how much it dominates."""

import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from domain.covering import covered
from domain.hypervolume import volume
from domain.objectives import Objective
from domain.pareto import Hypervolume, Point, crowding, hypervolume, insert, pareto_front

UP, DOWN, THIRD = Objective("up"), Objective("down", "minimize"), Objective("third")
TWO, THREE = (UP, DOWN), (UP, DOWN, THIRD)
STRICT = (Objective("up", threshold=2), Objective("down", "minimize", threshold=3), THIRD)
NAMES = ("up", "down", "third")
COORDINATES = st.integers(0, 5).map(float)
VECTORS = st.tuples(COORDINATES, COORDINATES, COORDINATES).map(lambda each: dict(zip(NAMES, each, strict=True)))
POINTS = st.lists(VECTORS, max_size=25).map(
    lambda vectors: [Point(number, reached) for number, reached in enumerate(vectors, 1)]
)


def grown(points: Sequence[Point], objectives: Sequence[Objective], limit: int = 1000) -> tuple[Point, ...]:
    """Return the front after offering the points one after the other."""
    front: tuple[Point, ...] = ()
    for point in points:
        front = insert(front, point, objectives, limit).front
    return front


def brute(points: Sequence[Point], objectives: Sequence[Objective]) -> tuple[Point, ...]:
    """Return the front by its definition: feasible, not dominated by any, the oldest of equals."""
    kept = [
        p
        for p in points
        if all(o.threshold is None or not o.better(o.threshold, p.objectives[o.name]) for o in objectives)
    ]
    kept = [p for p in kept if not any(_beats(q, p, objectives) for q in kept)]
    oldest = {tuple(p.objectives[o.name] for o in objectives): p for p in sorted(kept, key=lambda p: -p.number)}
    return tuple(sorted(oldest.values(), key=lambda p: p.number))


def _beats(a: Point, b: Point, objectives: Sequence[Objective]) -> bool:
    pairs = [((a.objectives[o.name], b.objectives[o.name]), o.direction) for o in objectives]
    differences = [x - y if direction == "maximize" else y - x for (x, y), direction in pairs]
    return min(differences) >= 0 and max(differences) > 0


@pytest.mark.parametrize("objectives", [TWO, THREE, STRICT, (UP,)])
@given(points=POINTS, seed=st.integers(0, 99))
def test_the_front_is_the_same_in_whatever_order_points_come(
    objectives: Sequence[Objective], points: list[Point], seed: int
) -> None:
    """Below the limit: against the definition over all pairs; trials that run side by side end in any order."""
    expected = brute(points, objectives)
    assert grown(points, objectives) == expected
    assert grown(random.Random(seed).sample(points, len(points)), objectives) == expected


def test_a_dominated_point_is_neither_added_nor_kept() -> None:
    """X-67: the update looks at dominance and directions, not at which points are the newest."""
    front = grown([Point(1, {"up": 1.0, "down": 1.0})], TWO)
    assert insert(front, Point(2, {"up": 1.0, "down": 2.0}), TWO, 4).front == front
    better = Point(3, {"up": 2.0, "down": 1.0})
    change = insert(front, better, TWO, 4)
    assert (change.front, change.added, change.removed, change.evicted) == ((better,), True, front, ())


def test_an_empty_front_takes_its_first_point() -> None:
    """X-68: a fresh run has a front like any other: an empty one."""
    point = Point(1, {"up": 0.5, "down": 3.0})
    assert insert((), point, TWO, 4).front == (point,)


@pytest.mark.parametrize("objectives", [TWO, THREE])
@given(points=POINTS)
def test_a_full_front_never_loses_an_extreme_and_never_holds_a_dominated_point(
    objectives: Sequence[Objective], points: list[Point]
) -> None:
    """X-67: what leaves is crowded, not old: the best value ever reached of each objective is still on it."""
    limit = 2 * len(objectives)
    front = grown(points, objectives, limit)
    assert len(front) <= limit
    assert list(front) == pareto_front(front, objectives)
    for each in objectives:
        best = max((each.gain(p.objectives[each.name]) for p in points), default=None)
        assert best == max((each.gain(p.objectives[each.name]) for p in front), default=None)


@given(POINTS)
def test_what_a_change_says_is_what_happened(points: list[Point]) -> None:
    """Every point is on the front, removed, evicted, or was never added."""
    front: tuple[Point, ...] = ()
    for point in points:
        change = insert(front, point, THREE, 6)
        gone = set(front) - set(change.front)
        assert gone == (set(change.removed) | set(change.evicted)) - {point}
        assert change.added == (point in change.front)
        assert change.added or change.front == front
        front = change.front


def test_the_most_crowded_point_leaves() -> None:
    """By hand: of 0, 3, 4, 9 and 10 on a line, 3 has the nearest neighbours, whichever came last."""
    points = [Point(n, {"up": float(x), "down": float(x)}) for n, x in enumerate((0, 3, 4, 9, 10), 1)]
    assert crowding(points, TWO) == [math.inf, 0.8, 1.2, 1.2, math.inf]
    assert insert(points[:4], points[4], TWO, 4).evicted == (points[1],)
    assert insert(points[1:], points[0], TWO, 4).evicted == (points[1],)


def test_a_new_point_in_the_thickest_of_the_crowd_stays_outside() -> None:
    """Then the front is as it was, and the point counts as evicted."""
    points = grown([Point(n, {"up": float(x), "down": float(x)}) for n, x in enumerate((0, 3, 4, 10), 1)], TWO)
    late = Point(5, {"up": 3.5, "down": 3.5})
    change = insert(points, late, TWO, 4)
    assert (change.front, change.added, change.evicted) == (points, False, (late,))


def test_a_limit_leaves_room_for_the_extremes() -> None:
    """Else there would be none to evict."""
    with pytest.raises(ValueError, match="extremes"):
        insert((), Point(1, {"up": 1.0, "down": 1.0}), TWO, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_never_enters(value: float) -> None:
    """A NaN compares with nothing; an infinity would dominate for ever."""
    assert insert((), Point(1, {"up": value, "down": 1.0}), TWO, 4).front == ()
    assert insert((), Point(1, {"down": 1.0}), TWO, 4).front == ()


@given(POINTS)
def test_the_front_is_optunas_with_constraints(points: list[Point]) -> None:
    """Against `best_trials` of a study that knows the same thresholds as constraints; equals are kept there."""
    study = optuna.create_study(directions=[each.direction for each in STRICT])
    for point in points:
        reached = point.objectives
        study.add_trial(
            optuna.trial.create_trial(
                values=[reached[each.name] for each in STRICT],
                constraints={"up": 2 - reached["up"], "down": reached["down"] - 3},
            )
        )
    theirs = [trial.number + 1 for trial in study.best_trials]
    assert [each.number for each in pareto_front(points, STRICT)] == theirs
    assert {each.number for each in grown(points, STRICT)} <= set(theirs)


def with_reference(count: int) -> list[Objective]:
    """Return so many objectives measured from 5 down to 0 or from 0 up to 5."""
    return [Objective(f"o{i}", "minimize" if i % 2 else "maximize", reference=5 if i % 2 else 0) for i in range(count)]


@given(st.integers(1, 4).flatmap(lambda d: st.lists(st.lists(st.integers(-1, 5), min_size=d, max_size=d), max_size=8)))
def test_the_hypervolume_is_the_number_of_unit_cells_below_the_points(vectors: list[list[int]]) -> None:
    """Exact on whole numbers, in one to four dimensions, in both directions; points below the reference are nothing."""
    objectives = with_reference(len(vectors[0]) if vectors else 1)
    points = [
        Point(n, {o.name: float(5 - v if o.reference else v) for o, v in zip(objectives, vector, strict=True)})
        for n, vector in enumerate(vectors)
    ]
    cells = {
        cell for vector in vectors if min(vector) > 0 for cell in itertools.product(*(range(each) for each in vector))
    }
    assert hypervolume(points, objectives) == Hypervolume(len(cells))


@given(st.integers(1, 6).flatmap(lambda d: st.lists(st.tuples(*[st.floats(1e-3, 1e3)] * d), min_size=1, max_size=12)))
def test_the_volume_is_optunas(vectors: list[tuple[float, ...]]) -> None:
    """In up to six dimensions, to nine digits; equal coordinates and dominated vectors included."""
    theirs = compute_hypervolume(-np.array(vectors), np.zeros(len(vectors[0])))
    assert volume(vectors) == pytest.approx(theirs, rel=1e-9)


@given(POINTS)
def test_the_front_dominates_what_all_its_points_dominate(points: list[Point]) -> None:
    """So the hypervolume of a run never falls below the limit, and needs the front only."""
    objectives = (
        Objective("up", reference=-1),
        Objective("down", "minimize", reference=6),
        Objective("third", reference=0),
    )
    assert hypervolume(grown(points, objectives), objectives) == hypervolume(points, objectives)


@pytest.mark.parametrize("dimensions", [5, 6, 7, 8])
def test_beyond_four_objectives_it_is_what_inclusion_and_exclusion_say(dimensions: int) -> None:
    """Of few points exactly, by another formula; of more as near as points thrown at random say."""
    source = np.random.default_rng(dimensions)
    few = source.random((7, dimensions))
    by_hand = math.fsum(
        (-1) ** (size + 1) * float(np.prod(few[list(chosen)].min(axis=0)))
        for size in range(1, len(few) + 1)
        for chosen in itertools.combinations(range(len(few)), size)
    )
    assert volume([tuple(row) for row in few.tolist()]) == pytest.approx(by_hand, rel=1e-9)
    more = source.random((12, dimensions)) ** 0.3
    thrown = source.random((40_000, dimensions))
    hit = np.zeros(len(thrown), dtype=bool)
    for row in more:
        hit |= (thrown < row).all(axis=1)
    share = hit.mean()
    assert abs(volume([tuple(row) for row in more.tolist()]) - share) < 5 * math.sqrt(share * (1 - share) / len(thrown))


def evenly(count: int, dimensions: int, seed: int) -> np.ndarray[Any, Any]:
    """Return points of which none dominates another."""
    return np.random.default_rng(seed).dirichlet(np.ones(dimensions), count) + 0.01


def test_a_front_that_is_too_large_to_be_measured_is_estimated_and_says_so() -> None:
    """The more objectives the fewer points, so that no trial waits seconds for its hypervolume; 200 of five are few."""
    for count, dimensions, is_exact in ((200, 5, True), (80, 6, True), (20, 8, True), (200, 8, False)):
        objectives = with_reference(dimensions)
        points = [
            Point(n, {o.name: 5 - v if o.reference else v for o, v in zip(objectives, row, strict=True)})
            for n, row in enumerate(evenly(count, dimensions, 3).tolist())
        ]
        found = hypervolume(points, objectives)
        assert found is not None and (found.margin is None) is is_exact
        assert hypervolume(points, objectives) == found
        assert is_exact or 0 < (found.margin or 0) < 0.01 * found.value


SHAPES: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "even": lambda rows: rows,
    "hollow": lambda rows: rows**3,
    "bulging": lambda rows: rows**0.2,
    "dominated": lambda rows: np.vstack([rows, rows * 0.9, rows[:1]]),
    "unlike in size": lambda rows: rows * 10.0 ** np.arange(-60, -60 + 15 * rows.shape[1], 15),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dimensions", "count"), [(3, 200), (5, 60), (8, 20)])
def test_an_estimate_is_near_what_is_exact_as_often_as_it_says(shape: str, dimensions: int, count: int) -> None:
    """Against the exact measure of fronts of all kinds: mostly within the margin, never far outside, and to 1 %."""
    within = []
    for seed in range(20):
        rows = SHAPES[shape](evenly(count, dimensions, seed))
        estimate, exact = covered(rows), volume([tuple(row) for row in rows.tolist()])
        assert abs(estimate.value - exact) < min(3 * estimate.margin, 0.012 * exact)
        within.append(abs(estimate.value - exact) <= estimate.margin)
    assert sum(within) >= 16


@given(st.lists(st.tuples(*[st.floats(1e-3, 1e3)] * 3), min_size=1, max_size=12))
def test_an_estimate_holds_whatever_the_boxes_are(vectors: list[tuple[float, ...]]) -> None:
    """Equal, nested, flat and single boxes: never far off, and nothing is divided by nothing."""
    assert covered(np.array(vectors)).value == pytest.approx(volume(vectors), rel=0.03)


def test_there_is_no_hypervolume_without_a_reference() -> None:
    """Nothing to measure is 0, and so are infeasible points."""
    point = Point(1, {"up": 1.0, "down": 1.0})
    assert hypervolume([point], TWO) is None
    assert hypervolume([], with_reference(4)) == Hypervolume(0)
    assert hypervolume([], with_reference(8)) == Hypervolume(0)
    measured = [Objective("up", threshold=2, reference=0), Objective("down", "minimize", reference=5)]
    assert hypervolume([], measured) == Hypervolume(0)
    assert hypervolume([point], measured) == Hypervolume(0)
