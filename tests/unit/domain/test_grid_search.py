"""The grid as a strategy: each point once, in order, and then no other."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.grid import Levels, grid_place, grid_points
from domain.space import ChoiceVariable, Constraint, FloatVariable, IntegerVariable, Space
from domain.strategies import Exhausted, Observation, Question
from domain.strategies.grid_search import GridStrategy
from tests.tries import tries
from tests.unit.domain.arbitrary import conditional_spaces

SPACE = Space(
    (
        FloatVariable("rate", 1e-3, 1, log=True),
        IntegerVariable("shots", 0, 2),
        ChoiceVariable("model", ("a", "b")),
        FloatVariable("depth", 0, 1, when='model == "a"'),
    ),
    (Constraint("few", "shots < 2 || rate < 0.5"),),
)


def walked(strategy: GridStrategy, parallel: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return all that a run of so many trials at a time tries, trials ending in any order."""
    source, rows, pending = random.Random(seed), [], list[Observation]()
    number = 0
    while True:
        number += 1
        question = Question(SPACE, (), rows, [each.values for each in pending], number, 1, 1, 1000)
        try:
            pending.append(Observation(number, strategy.suggest(question), {"score": 1.0}))
        except Exhausted:
            return [dict(each.values) for each in sorted([*rows, *pending], key=lambda each: each.number)]
        while len(pending) >= parallel:
            rows.append(pending.pop(source.randrange(len(pending))))


@pytest.mark.parametrize("parallel", [1, 3])
def test_every_point_is_tried_once_and_the_run_is_complete(parallel: int) -> None:
    """Whatever the order in which trials end: all that the grid has, in its order."""
    points = [values for _, values in grid_points(SPACE, Levels(SPACE, 3), 0) if values is not None]
    assert walked(GridStrategy(levels=3), parallel) == points
    assert len({str(each) for each in points}) == len(points) == 3 * 3 * (3 + 1) - 4


def test_single_variables_have_levels_of_their_own() -> None:
    """By key."""
    rates = {each["rate"] for each in walked(GridStrategy(levels=2, of={"rate": 4}), 1)}
    assert len(rates) == 4


@settings(max_examples=tries(40), deadline=None)
@given(conditional_spaces(), st.integers(0, 10**6))
def test_a_point_is_found_at_the_place_that_it_came_from(space: Space, begin: int) -> None:
    """Inverse to the walk, inactive scalars and all."""
    levels = Levels(space, 3)
    for place, (index, values) in zip(range(5), grid_points(space, levels, begin % levels.total), strict=False):
        if values is not None:
            assert grid_place(space, levels, values) == index, place
