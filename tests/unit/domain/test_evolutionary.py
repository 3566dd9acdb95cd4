"""NSGA-II: who may be a parent, and that children are better than chance."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective, dominates, is_feasible
from domain.pareto import Point
from domain.ranking import fittest
from tests.unit.domain.test_strategies import climbed, dominated

TWO = (Objective("a"), Objective("b", "minimize", threshold=6))
VALUES = st.tuples(st.integers(0, 8), st.integers(0, 8))


@given(st.lists(VALUES, max_size=12), st.integers(1, 12))
def test_nobody_that_is_left_out_dominates_one_that_is_chosen(values: list[tuple[int, int]], count: int) -> None:
    """And the best come first: none is dominated by one behind it."""
    rows = [Point(number, {"a": float(a), "b": float(b)}) for number, (a, b) in enumerate(values, 1)]
    chosen = fittest(rows, TWO, count)
    assert len(chosen) == min(count, len(rows)) == len({each.number for each in chosen})
    behind = [*chosen, *(each for each in rows if each not in chosen)]
    for index, each in enumerate(chosen):
        assert not any(dominates(later.objectives, each.objectives, TWO) for later in behind[index + 1 :])


def test_the_lonelier_of_a_front_come_first_and_the_infeasible_last() -> None:
    """Extremes, then the wider gap; whatever the order in which they came."""
    rows = [Point(n, {"a": a, "b": b}) for n, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (5, 5), (6, 6), (9, 7)], 1)]
    for order in list(permutations(rows))[::37]:
        found = fittest(order, TWO, 6)
        assert {each.number for each in found[:2]} == {1, 5}
        assert {each.number for each in found[2:4]} == {3, 4}
        assert [each.number for each in found[4:]] == [2, 6]
        assert not is_feasible(found[-1].objectives, TWO)


def test_the_evolutionary_strategy_beats_the_random_one() -> None:
    """With one objective and with two, over fixed seeds: deterministic, so no luck is involved."""

    def truth(values: dict[str, float]) -> float:
        distance = (values["x"] - 1) ** 2 + (values["y"] + 2) ** 2 + ((values["k"] - 15) / 4) ** 2
        return -(distance + 3 * (values["c"] != "b"))

    learned = [climbed("evolutionary", Objective("score"), truth, seed) for seed in range(8)]
    chance = [climbed("random", Objective("score"), truth, seed) for seed in range(8)]
    assert sum(a > b for a, b in zip(learned, chance, strict=True)) >= 6
    learned = [dominated("evolutionary", seed) for seed in range(8)]
    chance = [dominated("random", seed) for seed in range(8)]
    assert sum(a > b for a, b in zip(learned, chance, strict=True)) >= 6
