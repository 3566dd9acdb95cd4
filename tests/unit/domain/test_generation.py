"""Configurations by the list: valid, known from their index, and each strategy keeps its own promise."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.generation import STRATEGIES, Generated, Wanted, generate
from domain.grid import Levels, grid_points
from domain.sampling import Unsatisfied, random_configurations
from domain.space import (
    BooleanVariable,
    ComputedVariable,
    Constraint,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
)
from domain.values import Invalid, canonical_json
from tests.tries import tries
from tests.unit.domain.arbitrary import conditional_spaces, spaces, structured_spaces

SEEDS = st.integers(0, 2**63 - 1)


def made(space: Space, strategy: str, **wanted: Any) -> Generated | None:
    """Return what is generated, None where the space or the strategy has nothing to give."""
    try:
        around = random_configurations(space, 3, 1)
        return generate(space, strategy, Wanted(around=around, **wanted))
    except (Unsatisfied, Invalid):
        return None


@settings(max_examples=tries(40))
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@given(space=spaces(most=4) | conditional_spaces() | structured_spaces(), seed=SEEDS, index=st.integers(0, 3))
def test_lists_are_valid_and_go_on_where_they_ended(strategy: str, space: Space, seed: int, index: int) -> None:
    """In one page or in two, with the same arguments, the same configurations."""
    whole = made(space, strategy, count=4, seed=seed, index=index, total=9)
    if whole is None:
        return
    assert repr([space.validate(each) for each in whole.configurations]) == repr(whole.configurations)
    first = made(space, strategy, count=2, seed=seed, index=index, total=9)
    assert first is not None
    second = made(space, strategy, count=2, seed=seed, index=first.next_index, total=9)
    assert second is not None
    assert repr(first.configurations + second.configurations) == repr(whole.configurations)
    assert second.next_index == whole.next_index


@given(conditional_spaces() | structured_spaces())
def test_the_grid_holds_every_configuration_of_a_discrete_space_once(space: Space) -> None:
    """Conditions skip what repeats, constraints what they refuse."""
    grid = [values for _, values in grid_points(space, Levels(space, 5), 0) if values is not None]
    texts = Counter(canonical_json(each) for each in grid)
    assert set(texts.values()) <= {1}
    if not space.rules.may_break and not space.size().is_infinite and not space.size().is_estimated:
        assert len(texts) == space.size().discrete_cardinality


def test_a_grid_has_levels_of_what_is_continuous_and_jumps_over_what_repeats() -> None:
    """Both ends included, in the logarithm where that is the range; large inactive parts cost nothing."""
    space = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0.01, 100, log=True)))
    found = generate(space, "grid", Wanted(100, levels=3))
    assert [each["x"] for each in found.configurations] == [0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 1]
    assert [each["y"] for each in found.configurations[:3]] == [0.01, 1, 100]
    assert (found.next_index, found.total) == (9, 9)
    wide = tuple(IntegerVariable(f"n{i}", 0, 999, when="on") for i in range(5))
    on = Space((BooleanVariable("on"), *wide))
    assert generate(on, "grid", Wanted(2)).configurations == [
        {"on": False},
        {"on": True} | {f"n{i}": 0 for i in range(5)},
    ]
    too_wide = Space(tuple(IntegerVariable(f"n{i}", 0, 9999) for i in range(5)))
    with pytest.raises(Invalid, match="more than 2\\^62 points"):
        generate(too_wide, "grid", Wanted(2))


def test_a_grid_goes_through_what_is_inside_variables() -> None:
    """A hybrid's number belongs to its choice, members of a group have levels by key, what is computed follows."""
    tool = HybridVariable(
        "tool", (HybridBranch("one", IntegerVariable("tool", 1, 2)), HybridBranch("two", FloatVariable("tool", 0, 1)))
    )
    group = GroupVariable("group", (FloatVariable("x", 0, 1, when="on"), BooleanVariable("on")))
    space = Space((ComputedVariable("twice", "2 * tool.number"), tool, group))
    found = generate(space, "grid", Wanted(100, levels=2, levels_of={"group.x": 3}))
    assert (len(found.configurations), found.next_index, found.total) == (4 * 4, 48, 48)
    assert found.configurations[1] == {
        "twice": 2,
        "tool": {"choice": "one", "number": 1},
        "group": {"x": 0, "on": True},
    }
    with pytest.raises(Invalid, match=r"group\.z"):
        generate(space, "grid", Wanted(1, levels_of={"group.z": 3}))


def test_a_grid_of_nothing_valid_ends_in_bounded_time() -> None:
    """It says where to go on."""
    space = Space((IntegerVariable("n", 0, 10**6), BooleanVariable("b")), (Constraint("late", "n >= 40000"),))
    found = generate(space, "grid", Wanted(1))
    assert (found.configurations, found.next_index) == ([], 50_000)
    more = generate(space, "grid", Wanted(1, index=found.next_index))
    assert more.configurations == [{"n": 40_000, "b": False}]


def test_a_latin_hypercube_hits_every_stratum_once() -> None:
    """Of every variable, whatever the page."""
    space = Space((FloatVariable("x", 0, 8), IntegerVariable("n", 1, 8)))
    pages = [generate(space, "latin_hypercube", Wanted(4, 3, index, total=8)).configurations for index in (0, 4)]
    drawn = pages[0] + pages[1]
    assert sorted(math.floor(each["x"]) for each in drawn) == list(range(8))
    assert sorted(each["n"] for each in drawn) == list(range(1, 9))
