"""Perturbation and crossover: valid, different, reproducible, and able to reach every configuration."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.moving import crossed, perturbed
from domain.sampling import Unsatisfied, random_configuration, random_configurations
from domain.seeds import Draw
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ComputedVariable,
    ConditionalVariable,
    Constraint,
    FloatVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
)
from domain.values import canonical_json
from tests.tries import tries
from tests.unit.domain.arbitrary import conditional_spaces, small_spaces, spaces, structured_spaces

SEEDS = st.integers(0, 2**63 - 1)
SPACES = spaces() | conditional_spaces() | structured_spaces()


def drawn(space: Space, seed: int) -> dict[str, Any] | None:
    """Return a configuration, None where there seems to be none."""
    try:
        return random_configuration(space, seed, 0)
    except Unsatisfied:
        return None


@settings(max_examples=tries(150))
@given(SPACES, SEEDS, st.floats(0.01, 1))
def test_what_is_perturbed_is_valid_and_the_same_for_the_same_seed(space: Space, seed: int, scale: float) -> None:
    """Whatever the kinds, conditions and constraints."""
    if (values := drawn(space, seed)) is None:
        return
    moved = perturbed(space, values, Draw(seed, "move"), scale)
    assert repr(space.validate(moved)) == repr(moved)
    assert repr(perturbed(space, values, Draw(seed, "move"), scale)) == repr(moved)


@settings(max_examples=tries(150))
@given(spaces() | small_spaces() | structured_spaces(with_constraints=False), SEEDS)
def test_what_is_perturbed_differs_where_there_is_anything_else(space: Space, seed: int) -> None:
    """In a variable that can be chosen."""
    if (values := drawn(space, seed)) is None:
        return
    moved = perturbed(space, values, Draw(seed, "move"))
    others = random_configurations(space, 20, seed) if not space.rules.derived else []
    if any(canonical_json(each) != canonical_json(values) for each in others):
        assert canonical_json(moved) != canonical_json(values)


REACHED = (
    Space((ChoiceVariable("c", ("a", "b", "c"), weights=(1, 1, 0.1)), BooleanVariable("b"))),
    Space((ChoiceVariable("c", tuple(range(6)), ordered=True),)),
    Space((IntegerVariable("n", 0, 12, step=3), FloatVariable("x", 0, 1, step=0.25))),
    Space((IntegerVariable("n", 1, 16, power_of_two=True), IntegerVariable("m", 1, 6, log=True))),
    Space((BooleanVariable("on"), IntegerVariable("n", 0, 4, when="on"), ComputedVariable("m", "on ? 1 : 2"))),
    Space((BooleanVariable("a"), BooleanVariable("b")), (Constraint("same", "a == b"),)),
    Space(
        (
            HybridVariable(
                "h",
                (
                    HybridBranch("x", IntegerVariable("number", 0, 2)),
                    HybridBranch("y", IntegerVariable("number", 5, 5)),
                ),
            ),
        )
    ),
)


@pytest.mark.parametrize("space", REACHED)
def test_every_configuration_is_reached_in_finitely_many_steps(space: Space) -> None:
    """From wherever one starts, as chance goes."""
    everything = {canonical_json(each) for each in random_configurations(space, 4000, 1)}
    values, source = random_configuration(space, 5, 0), Draw("walk")
    seen = set()
    for _ in range(6000):
        values = perturbed(space, values, source)
        seen.add(canonical_json(values))
    assert seen >= everything


def test_steps_are_as_long_as_the_scale_says() -> None:
    """The mean of many is near it, in the logarithm where the range is logarithmic; ends reflect."""
    space = Space((FloatVariable("x", 0, 10), FloatVariable("y", 1e-6, 1, log=True), IntegerVariable("n", 0, 1000)))
    middle = {"x": 5.0, "y": 1e-3, "n": 500}
    source = Draw("lengths")
    moved = [perturbed(space, middle, source, 0.05) for _ in range(3000)]
    x = [abs(each["x"] - 5) / 10 for each in moved if each["x"] != 5]
    y = [abs(math.log10(each["y"]) + 3) / 6 for each in moved if each["y"] != 1e-3]
    n = [abs(each["n"] - 500) / 1000 for each in moved if each["n"] != 500]
    for steps in (x, y, n):
        assert len(steps) > 900
        assert sum(steps) / len(steps) == pytest.approx(
            0.05 * (math.sqrt(2 / math.pi) if steps is not n else 1), rel=0.15
        )
    corner = {"x": 10.0, "y": 1e-6, "n": 0}
    assert all(space.validate(perturbed(space, corner, source, 0.5)) for _ in range(200))


def test_a_step_of_a_parent_drops_its_children_and_draws_new_ones() -> None:
    """Inactive variables are absent, also after a step."""
    space = Space(
        (
            ChoiceVariable("mode", ("a", "b")),
            IntegerVariable("n", 0, 9, when="mode == 'a'"),
            IntegerVariable("m", 0, 9, when="mode == 'b'"),
        )
    )
    source = Draw("parents")
    moved = [perturbed(space, {"mode": "a", "n": 3}, source) for _ in range(50)]
    assert {tuple(each) for each in moved} == {("mode", "n"), ("mode", "m")}


@settings(max_examples=tries(150))
@given(SPACES, SEEDS)
def test_what_is_crossed_is_valid_and_mixes_its_parents(space: Space, seed: int) -> None:
    """The same for the same seed; without constraints every chosen value is a parent's, unless it is newly active."""
    one, two = drawn(space, seed), drawn(space, seed // 2 + 1)
    if one is None or two is None:
        return
    child = crossed(space, one, two, Draw(seed, "cross"))
    assert repr(space.validate(child)) == repr(child)
    assert repr(crossed(space, one, two, Draw(seed, "cross"))) == repr(child)
    assert crossed(space, one, one, Draw(seed)) == one
    if not space.constraints and space.is_flat:
        for name, value in child.items():
            assert any(name in each and each[name] == value for each in (one, two)) or space.rules.conditions


def test_a_crossing_that_constraints_refuse_is_mended() -> None:
    """Or is the first parent, never anything invalid."""
    bits = tuple(BooleanVariable(f"b{index}") for index in range(12))
    space = Space(bits, tuple(Constraint(f"c{i}", f"b{i} == b{i + 1}") for i in range(11)))
    one, two = ({f"b{index}": value for index in range(12)} for value in (True, False))
    assert crossed(space, one, two, Draw(1)) in (one, two)


def test_a_range_too_narrow_for_two_values_has_one() -> None:
    """Values hold twelve significant digits: whatever lies between its ends is the same number."""
    space = Space((FloatVariable("a", 10.0, 10.00000000002),))
    assert space.size().discrete_cardinality == 1 and not space.size().is_infinite
    near = perturbed(space, {"a": 10.0}, Draw(0))
    assert near == space.validate(near) == {"a": 10.0}


@given(st.integers(0, 2**63 - 1))
def test_a_value_that_changes_its_branch_is_one_of_the_other(seed: int) -> None:
    """It stays where the other branch takes it, and as that one has it: on its steps, of its type."""
    space = Space(
        (
            ChoiceVariable("kind", ("any", "steps", "whole")),
            ConditionalVariable("a", 'kind == "any"', FloatVariable("a", 0, 4), FloatVariable("a", 0, 4, step=0.5)),
            ConditionalVariable("b", 'kind == "whole"', IntegerVariable("b", 1, 3), FloatVariable("b", 0, 4)),
        )
    )
    one, two = random_configurations(space, 2, seed)
    for made in (crossed(space, one, two, Draw(seed, "x")), perturbed(space, one, Draw(seed, "y"))):
        assert repr(space.validate(made)) == repr(made)
