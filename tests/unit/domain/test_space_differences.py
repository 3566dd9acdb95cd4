"""Edits, differences and merges of spaces."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.differing import Verdict, difference, together, verdict
from domain.editing import added, removed, reordered, replaced
from domain.merging import merged
from domain.sampling import Unsatisfied, random_configurations
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ConditionalVariable,
    Constraint,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
)
from domain.values import Invalid
from tests.unit.domain.arbitrary import choices, conditional_spaces, floats, integers, structured_spaces

F, N, C = FloatVariable, IntegerVariable, ChoiceVariable
JSONS = st.integers(0, 2).map(lambda number: {"v": number})
ITEMS = st.dictionaries(st.sampled_from("abcd"), JSONS, max_size=4)


def judged(old: Any, new: Any) -> str:
    """Return the verdict on one variable that became another."""
    return verdict(Space((old,)), Space((new,))).value


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (F("x", 0, 1), F("x", 0, 1, default=0.5, log=False), "same"),
        (F("x", 0, 1), F("x", 0, 2), "wider"),
        (F("x", 0, 1, step=0.1), F("x", 0, 1), "wider"),
        (F("x", 0, 1, step=0.2), F("x", 0, 1, step=0.1), "wider"),
        (F("x", 0, 1, step=0.3), F("x", 0, 1, step=0.2), "incompatible"),
        (F("x", 0.05, 1, step=0.1), F("x", 0, 1, step=0.1), "incompatible"),
        (F("x", 0, 0.95, step=0.1), F("x", 0, 0.9, step=0.1), "same"),
        (F("x", 0, 2), F("x", 1, 3), "incompatible"),
        (N("x", 0, 8), N("x", 0, 8, step=2), "narrower"),
        (N("x", 1, 64, power_of_two=True), N("x", 1, 64), "wider"),
        (N("x", 1, 2), N("x", 1, 64, power_of_two=True), "wider"),
        (N("x", 1, 3), N("x", 1, 64, power_of_two=True), "incompatible"),
        (N("x", 0, 1), F("x", 0, 1), "incompatible"),
        (C("x", (1, 2)), C("x", (2, 1), weights=(1, 2)), "same"),
        (C("x", (1,)), C("x", (1, True)), "wider"),
        (C("x", (1,)), C("x", (True,)), "incompatible"),
        (C("x", (1, 2)), C("x", (3,), allow_custom=True), "wider"),
        (BooleanVariable("x"), BooleanVariable("x", when="true"), "incompatible"),
        (GroupVariable("x", (F("y", 0, 1),)), GroupVariable("x", (F("y", 0, 2),)), "wider"),
        (
            HybridVariable("x", (HybridBranch("a", F("n", 0, 2)),)),
            HybridVariable("x", (HybridBranch("a", F("n", 0, 1)),)),
            "narrower",
        ),
        (ConditionalVariable("x", "true", F("x", 0, 1)), ConditionalVariable("x", "true", F("x", 0, 2)), "wider"),
        (
            ConditionalVariable("x", "true", F("x", 0, 1)),
            ConditionalVariable("x", "false", F("x", 0, 1)),
            "incompatible",
        ),
    ],
)
def test_the_verdict_says_which_of_two_domains_holds_the_other(old: Any, new: Any, expected: str) -> None:
    """And the other way about."""
    assert judged(old, new) == expected
    assert judged(new, old) == {"wider": "narrower", "narrower": "wider"}.get(expected, expected)


def test_constraints_make_a_space_narrower() -> None:
    """A changed one may do both; words do not matter; other names are another space."""
    old = Space((F("x", 0, 1), F("y", 0, 1)), (Constraint("a", "x < y"),))
    tighter = Space(old.variables, (*old.constraints, Constraint("b", "x < 0.5")))
    assert verdict(old, tighter) is Verdict.NARROWER and verdict(tighter, old) is Verdict.WIDER
    assert verdict(old, Space(old.variables, (Constraint("a", "x > y"),))) is Verdict.INCOMPATIBLE
    assert verdict(old, Space(old.variables, (Constraint("z", "x < y", "words"),))) is Verdict.SAME
    assert verdict(old, Space(old.variables[:1])) is Verdict.INCOMPATIBLE
    wider = Space((F("x", 0, 2), F("y", 0, 1)), tighter.constraints)
    assert verdict(old, wider) is Verdict.INCOMPATIBLE


@given(
    st.one_of(floats(), integers(widest=20), choices()),
    st.one_of(floats(), integers(widest=20), choices()),
    st.integers(0, 99),
)
def test_a_wider_space_takes_every_configuration_of_the_other(one: Any, two: Any, seed: int) -> None:
    """To the twelve digits that values hold; a space is never wider than itself."""
    old, new = Space((one,)), Space((two,))
    assert verdict(old, old) is Verdict.SAME
    found = verdict(old, new)
    if found in (Verdict.WIDER, Verdict.SAME):
        for values in random_configurations(old, 10, seed):
            (taken,) = new.validate(values).values()
            assert taken == (pytest.approx(values["x"], rel=1e-11) if isinstance(taken, float) else values["x"])
    assert {found, verdict(new, old)} in ({Verdict.WIDER, Verdict.NARROWER}, {Verdict.SAME}, {Verdict.INCOMPATIBLE})


@given(structured_spaces() | conditional_spaces(), st.data())
def test_a_space_without_one_of_its_constraints_is_wider(space: Space, data: st.DataObject) -> None:
    """Of any kind; what it had is valid still."""
    if not space.constraints:
        return
    kept = data.draw(st.sampled_from(space.constraints))
    wider = Space(space.variables, tuple(each for each in space.constraints if each != kept))
    assert verdict(space, wider) in (Verdict.WIDER, Verdict.SAME)
    try:
        drawn = random_configurations(space, 5, 1)
    except Unsatisfied:
        return
    assert all(wider.validate(each) == each for each in drawn)


def widened(variable: Any) -> Any:
    """Returns a variable whose integers reach one further, at any depth; their conditions stay."""
    if isinstance(variable, IntegerVariable):
        return replace(variable, high=variable.high + 1)
    if isinstance(variable, GroupVariable):
        return replace(variable, variables=tuple(map(widened, variable.variables)))
    if isinstance(variable, HybridVariable):
        branches = tuple(HybridBranch(each.choice, widened(each.range)) for each in variable.branches)
        return replace(variable, branches=branches)
    if isinstance(variable, ConditionalVariable):
        return replace(variable, then=widened(variable.then), otherwise=widened(variable.otherwise))
    return variable


@given(structured_spaces(), st.integers(0, 99))
def test_ranges_that_reach_further_at_any_depth_make_a_wider_space(space: Space, seed: int) -> None:
    """Groups, hybrids and branches included: what was valid is valid, and drawn values stay what they were."""
    wider = Space(tuple(map(widened, space.variables)), space.constraints)
    assert verdict(space, wider) is Verdict.WIDER and verdict(wider, space) is Verdict.NARROWER
    try:
        drawn = random_configurations(space, 5, seed)
    except Unsatisfied:
        return
    assert all(wider.validate(each) == each for each in drawn)


def test_a_difference_names_what_changed() -> None:
    """By field; lists as a whole; the order too."""
    old = Space((F("a", 0, 1), C("b", (1, 2)), F("c", 0, 1)), (Constraint("k", "a < c"),))
    new = Space((C("b", (1, True), default=1), F("a", 0, 2, log=False), F("d", 0, 1)), (Constraint("k", "a < 1", "m"),))
    found = difference(old, new)
    assert (found.variables.added, found.variables.removed, found.variables.reordered) == (("d",), ("c",), True)
    changes = {each.name: (each.fields, each.verdict) for each in found.variables.changed}
    assert changes == {
        "a": (("float.high",), Verdict.WIDER),
        "b": (("choice.choices", "default"), Verdict.INCOMPATIBLE),
    }
    assert [(each.name, each.fields) for each in found.constraints.changed] == [("k", ("expression", "message"))]
    assert found.verdict is Verdict.INCOMPATIBLE


def test_several_verdicts_come_to_one() -> None:
    """Wider and narrower at once is neither."""
    same, wider, narrower, other = Verdict.SAME, Verdict.WIDER, Verdict.NARROWER, Verdict.INCOMPATIBLE
    assert [together(each) for each in ([], [same, wider], [narrower], [wider, narrower], [other, wider])] == [
        same,
        wider,
        narrower,
        other,
        other,
    ]


@given(ITEMS, ITEMS)
def test_a_side_that_changed_nothing_takes_all_of_the_other(base: Any, ours: Any) -> None:
    """In its order, on either side; two equal changes are one."""
    for made in (merged(base, ours, base), merged(base, base, ours), merged(base, ours, ours)):
        assert list(made.items.items()) == list(ours.items()) and not made.conflicts


@given(ITEMS, ITEMS, ITEMS)
def test_a_merge_holds_what_either_side_changed(base: Any, ours: Any, theirs: Any) -> None:
    """Conflicts are the things that all three have differently, and no others, whoever merges."""
    made = merged(base, ours, theirs)
    sides = {name: (base.get(name), ours.get(name), theirs.get(name)) for name in {*base, *ours, *theirs}}
    clashing = {name for name, (b, o, t) in sides.items() if b != o and b != t and o != t}
    assert {each.name for each in made.conflicts} == clashing
    for name, (b, o, t) in sides.items():
        if name not in clashing:
            assert made.items.get(name) == (t if o == b else o)
    assert {each.name for each in merged(base, theirs, ours).conflicts} == clashing
    assert all(each.words() for each in made.conflicts)


def test_what_they_added_stands_behind_what_it_follows() -> None:
    """A reordering of one side is kept."""
    base = dict.fromkeys("abc", 1)
    assert list(merged(base, dict.fromkeys("abxc", 1), dict.fromkeys("aybc", 1)).items) == list("aybxc")
    assert list(merged(base, base, dict.fromkeys("cab", 1)).items) == list("cab")
    assert list(merged(base, dict.fromkeys("zabc", 1), dict.fromkeys("cab", 1)).items) == list("zcab")


def name_of(item: tuple[str, int]) -> str:
    """The name of a thing."""
    return item[0]


def test_edits_give_new_lists_and_refuse_with_their_fields() -> None:
    """Names stay unique; an order names everything once."""
    items = [("a", 1), ("b", 2)]
    assert added(items, ("c", 3), name_of) == [*items, ("c", 3)]
    assert added(items, ("c", 3), name_of, 0) == [("c", 3), *items]
    assert replaced(items, "a", ("z", 9), name_of) == [("z", 9), ("b", 2)]
    assert replaced(items, "a", ("a", 9), name_of) == [("a", 9), ("b", 2)]
    assert removed(items, "a", name_of) == [("b", 2)]
    assert reordered(items, ["b", "a"], name_of) == [("b", 2), ("a", 1)]
    for edit, paths in (
        (lambda: added(items, ("a", 3), name_of), ["name"]),
        (lambda: added(items, ("c", 3), name_of, 3), ["position"]),
        (lambda: replaced(items, "a", ("b", 3), name_of), ["name"]),
        (lambda: removed(items, "x", name_of), ["name"]),
        (lambda: reordered(items, ["a", "a", "x"], name_of), ["names[2]", "names", "names"]),
    ):
        with pytest.raises(Invalid) as refusal:
            edit()
        assert [each.path for each in refusal.value.violations] == paths


def test_a_difference_of_default_is_no_other_space() -> None:
    """What is likelier, or called otherwise, changes nothing of what is valid."""
    old = C("x", ("a", "b"))
    assert judged(old, replace(old, default="a", weights=(1, 2), ordered=True, description="d")) == "same"
