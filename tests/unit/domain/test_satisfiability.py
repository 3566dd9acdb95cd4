"""Empty spaces are proven empty where that can be done, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparing import ABSENT, compared
from domain.difficulty import complexity
from domain.recommending import recommended_budget, recommended_strategy
from domain.satisfiability import emptiness, satisfiability
from domain.space import BooleanVariable, ChoiceVariable, Constraint, FloatVariable, IntegerVariable, Space
from tests.unit.domain.arbitrary import spaces, structured_spaces


def space(*expressions: str) -> Space:
    """Two numbers in [0, 1], a choice and an integer that is not always there."""
    variables = (
        FloatVariable("x", 0, 1),
        FloatVariable("y", 0, 1),
        ChoiceVariable("m", ("a", "b")),
        IntegerVariable("n", 1, 10**6, when="m == 'a'"),
    )
    return Space(variables, tuple(Constraint(f"c{index}", text) for index, text in enumerate(expressions)))


EMPTY = [
    ["x > 2"],
    ["x + y > 2.001"],
    ["x < y", "y < x - 0.1"],
    ["x > 0.5 && y > x && y < 0.4"],
    ["!(x >= 0)"],
    ["m in ['c']"],
    ["{'a': x > 3, 'b': x > 4}[m]"],
    ["m == 'a' ? x > 3 : x > 4"],
    ["x * y > 1.1"],
    ["x / (y + 1) > 1.5"],
    ["log(x + 1) > 0.7 || exp(x) > 3"],
    ["max(x, y) < 0"],
    ["abs(x - 2) < 0.5"],
    ["sum(x, y, 1) > 3.1"],
    ["x == 1.5"],
    ["{'c': true}[m]"],
]
POSSIBLE = [
    ["x > 0.999"],
    ["x * y >= 1"],
    ["x < y", "y < x + 0.0001"],
    ["n > 10000000"],  # holds by itself where m is 'b'
    ["has(n)"],
    ["x == 1 || m == 'b'"],
    ["x % 0.5 == 0"],
    ["pow(x, 2) > 0.9"],
    ["m != 'a'"],
]


@pytest.mark.parametrize("expressions", EMPTY)
def test_what_can_never_hold_is_proven(expressions: list[str]) -> None:
    """Although the space is infinite."""
    found = satisfiability(space(*expressions))
    assert (found.verdict, found.candidates) == ("proven_empty", 0)
    assert "can never hold" in found.reason


@pytest.mark.parametrize("expressions", POSSIBLE)
def test_what_may_hold_is_not_called_empty(expressions: list[str]) -> None:
    """However rare; the share and what is broken are told."""
    found = satisfiability(space(*expressions))
    assert found.verdict == ("satisfiable" if found.accepted else "unknown")
    assert found.candidates == 200 and sum(count for _, count in found.broken) >= 200 - found.accepted


@given(structured_spaces())
def test_no_space_with_a_valid_draw_is_proven_empty(space: Space) -> None:
    """Proofs are never wrong."""
    found = satisfiability(space, 50)
    assert not (found.accepted and emptiness(space))


SIDES = st.sampled_from(
    ["x", "y", "x + y", "x * y", "x - y", "abs(x)", "min(x, y)", "-x", "x / 2", "1", "0.5", "2", "-1"]
)
COMPARISONS = st.tuples(SIDES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), SIDES).map(" ".join)
JOINED = st.lists(COMPARISONS, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from(
        [" && ".join(parts), " || ".join(parts), f"!({parts[0]})", f"{parts[0]} ? {parts[-1]} : x > 0"]
    )
)


@given(st.lists(JOINED, min_size=1, max_size=3), st.lists(st.tuples(st.floats(-2, 3), st.floats(-2, 3)), max_size=30))
def test_what_is_proven_empty_has_no_valid_point(expressions: list[str], points: list[tuple[float, float]]) -> None:
    """Whatever the expressions."""
    made = Space(
        (FloatVariable("x", -2, 3), FloatVariable("y", -2, 3)),
        tuple(Constraint(f"c{index}", text) for index, text in enumerate(expressions)),
    )
    if emptiness(made):
        corners = [(x, y) for x in (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0) for y in (-2.0, 0.0, 0.5, 1.0, 3.0)]
        assert all(made.rules.broken({"x": x, "y": y}) for x, y in [*points, *corners])


def test_what_cannot_be_proven_is_said_with_bounded_effort() -> None:
    """So many draws and no more, however large the space."""
    variables = tuple(IntegerVariable(f"v{index}", 0, 10**6) for index in range(200))
    hopeless = tuple(Constraint(f"c{index}", f"pow(v{index} + 1, 2) + 1 == 0") for index in range(200))
    found = satisfiability(Space(variables, hopeless))
    assert (found.verdict, found.candidates, found.accepted) == ("unknown", 200, 0)


@given(spaces())
def test_a_variable_more_never_lowers_complexity_and_budget(space: Space) -> None:
    """Unless the space has fewer configurations than trials."""
    larger = Space((*space.variables, FloatVariable("one_more_variable", 0, 1)))
    assert complexity(larger) > complexity(space)
    assert recommended_budget(larger) >= recommended_budget(space)
    assert 1 <= recommended_budget(space) <= 10_000


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ((BooleanVariable("a"), BooleanVariable("b")), ("grid", 4)),
        ((FloatVariable("a", 0, 1),), ("sobol", 20)),
        (tuple(FloatVariable(f"v{index}", 0, 1) for index in range(5)), ("bayesian", 100)),
        (tuple(FloatVariable(f"v{index}", 0, 1) for index in range(900)), ("bayesian", 10_000)),
    ],
)
def test_the_strategy_fits_the_space(variables: Any, expected: tuple[str, int]) -> None:
    """All of a small one, evenly in a simple one, learning in others."""
    made = Space(variables)
    assert (recommended_strategy(made), recommended_budget(made)) == expected


def test_configurations_stand_side_by_side() -> None:
    """Members by themselves; absent is not null, and 1 is not true."""
    rows = compared([{"a": 1, "g": {"x": None, "y": 2}}, {"a": True, "g": {"y": 2.0}}, {"a": 1, "b": [1]}])
    assert [(each.path, each.is_equal) for each in rows] == [("a", False), ("b", False), ("g.x", False), ("g.y", False)]
    assert rows[2].values == (None, ABSENT, ABSENT)
    assert [each.is_equal for each in compared([{"a": 1, "g": {}}, {"a": 1.0, "g": {}}])] == [True]
