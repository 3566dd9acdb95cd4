"""Small spaces tried out, what that proves, how hard spaces are, and their hash."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.difficulty import complexity, difficulty
from domain.enumeration import every_configuration
from domain.sampling import Unsatisfied, random_configurations
from domain.satisfiability import emptiness
from domain.space import BooleanVariable, Constraint, FloatVariable, GroupVariable, IntegerVariable, Space
from domain.values import canonical_json
from tests.unit.domain.arbitrary import conditional_spaces, spaces, structured_spaces


@given(conditional_spaces() | structured_spaces(values=2), st.integers(0, 2**32))
def test_every_configuration_is_every_configuration(space: Space, seed: int) -> None:
    """Each valid and once; whatever is drawn is among them, and where there is none none is drawn."""
    found = every_configuration(space)
    if found is None:
        return
    texts = {canonical_json(each) for each in found}
    assert len(texts) == len(found)
    assert repr([space.validate(each) for each in found]) == repr(found)
    assert bool(emptiness(space)) == (not found)
    if not space.rules.may_break:
        assert len(found) == space.size().discrete_cardinality
    try:
        drawn = random_configurations(space, 5, seed)
    except Unsatisfied:
        return
    assert {canonical_json(each) for each in drawn} <= texts


def test_what_cannot_be_tried_is_not_called_empty() -> None:
    """Continuous and large spaces: then only draws tell."""
    never = (Constraint("never", "x % 7 == 6.5"),)
    assert not emptiness(Space((FloatVariable("x", 0, 1),), never))
    assert not emptiness(Space((IntegerVariable("x", 0, 5), IntegerVariable("y", 0, 1000)), never))
    assert emptiness(Space((IntegerVariable("x", 0, 5),), never))
    assert every_configuration(Space(())) == [{}]
    # Few combinations, but each of a thousand values: hundreds of megabytes.
    wide = [*(BooleanVariable(f"b{i}") for i in range(12)), *(IntegerVariable(f"c{i}", 1, 1) for i in range(900))]
    assert every_configuration(Space(tuple(wide))) is None
    assert every_configuration(Space((GroupVariable("g", tuple(wide)),))) is None


@given(spaces(most=4) | conditional_spaces(), spaces(most=2))
def test_one_more_variable_or_constraint_never_makes_a_space_easier(space: Space, more: Space) -> None:
    """Complexity is monotone."""
    fresh = [each for each in more.variables if each.name not in space.names]
    wider = Space((*space.variables, *fresh), space.constraints)
    tighter = Space(wider.variables, (*space.constraints, Constraint("other", "true")))
    assert complexity(space) <= complexity(wider) < complexity(tighter)


def test_difficulty_is_the_complexity_in_a_word() -> None:
    """From easy to extreme."""
    found = [difficulty(Space(tuple(FloatVariable(f"x{i}", 0, 1) for i in range(count)))) for count in (3, 7, 20, 21)]
    assert found == ["easy", "medium", "hard", "extreme"]


@given(structured_spaces())
def test_equal_spaces_have_equal_hashes_and_others_have_others(space: Space) -> None:
    """Through the JSON form and back; any change shows."""
    rules: list[Any] = [each.to_json() for each in space.constraints]
    assert Space.from_json(space.to_json(), rules).content_hash == space.content_hash
    assert Space((*space.variables, BooleanVariable("more")), space.constraints).content_hash != space.content_hash
    more = (*space.constraints, Constraint("more", "true"))
    assert Space(space.variables, more).content_hash != space.content_hash
