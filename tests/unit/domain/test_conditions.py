"""Conditions and constraints: active variables, order, validation, draws with bounded effort, sizes."""

import itertools
import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sampling import ATTEMPTS, Sampler, Unsatisfied, feasible_share, random_configuration, random_configurations
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ComputedVariable,
    Constraint,
    FloatVariable,
    GroupVariable,
    IntegerVariable,
    Space,
)
from domain.values import Invalid, canonical_json
from tests.unit.domain.arbitrary import conditional_spaces

SEEDS = st.integers(0, 2**63 - 1)
MODELS = {"openai": ["gpt-a", "gpt-b"], "groq": ["llama", "gemma"]}
TABLE = f"model in {json.dumps(MODELS)}[provider]"
SPACE = Space(
    (
        IntegerVariable("shots", 1, 8, when="strategy == 'few_shot'"),
        ChoiceVariable("strategy", ("zero_shot", "few_shot"), default="few_shot"),
        ChoiceVariable("order", ("nearest", "random"), when="shots > 1", default="nearest"),
        FloatVariable("temperature", 0, 2, default=0.7),
        FloatVariable("top_p", 0, 1, default=1.0),
    ),
    (
        Constraint("calm", "!(temperature > 1.5 && top_p < 0.3)", "too wild", "lower the temperature"),
        Constraint("few", "shots <= 4", suggested_fix="take fewer"),
    ),
)


def faults(action: Any, *arguments: Any) -> list[tuple[str, str]]:
    """Return the paths and codes of the refusal."""
    with pytest.raises(Invalid) as refusal:
        action(*arguments)
    return [(each.path, each.code) for each in refusal.value.violations]


def test_inactive_variables_are_absent_and_their_children_too() -> None:
    """A child may stand before its parent; the configuration keeps the declared order."""
    assert SPACE.validate({"shots": 1}) == {"shots": 1, "strategy": "few_shot", "temperature": 0.7, "top_p": 1.0}
    assert list(SPACE.validate({"shots": 2})) == ["shots", "strategy", "order", "temperature", "top_p"]
    assert SPACE.validate({"strategy": "zero_shot"}) == {"strategy": "zero_shot", "temperature": 0.7, "top_p": 1.0}
    assert SPACE.defaults() is None
    assert faults(SPACE.validate, {"strategy": "zero_shot", "shots": 2, "order": "random"}) == [
        ("values.shots", "INACTIVE"),
        ("values.order", "INACTIVE"),
    ]


def test_an_inactive_variable_needs_no_value_and_an_active_one_does() -> None:
    """Required means required where it is active."""
    assert faults(SPACE.validate, {}) == [("values.shots", "REQUIRED")]
    (violation,) = _violations({"strategy": "zero_shot", "shots": 2})
    assert violation.message == "must be absent: it is inactive unless strategy == 'few_shot'"


def _violations(values: dict[str, Any]) -> Any:
    with pytest.raises(Invalid) as refusal:
        SPACE.validate(values)
    return refusal.value.violations


def test_every_broken_constraint_is_told_with_what_it_reads_and_what_helps() -> None:
    """Not only the first one; over one variable at its path, over several at the root."""
    calm, few = _violations({"shots": 5, "temperature": 1.8, "top_p": 0.1})
    assert (calm.path, calm.code, calm.constraint, calm.message) == ("values", "CONSTRAINT", "calm", "too wild")
    assert (calm.variables, calm.suggested_fix) == (("temperature", "top_p"), "lower the temperature")
    assert (few.path, few.message, few.suggested_fix) == ("values.shots", "breaks few: shots <= 4", "take fewer")


def test_what_depends_on_a_wrong_value_is_not_judged_but_its_own_value_is() -> None:
    """No violation follows from another one."""
    assert faults(SPACE.validate, {"strategy": "many", "shots": 99, "temperature": 9, "top_p": 0.1}) == [
        ("values.strategy", "NOT_A_CHOICE"),
        ("values.shots", "OUT_OF_RANGE"),
        ("values.temperature", "OUT_OF_RANGE"),
    ]


def test_a_constraint_over_an_inactive_variable_holds_unless_it_asks_for_presence() -> None:
    """`has` and `count_active` deal with inactive variables themselves."""
    variables = (
        BooleanVariable("on", default=True),
        IntegerVariable("a", 0, 9, default=0, when="on"),
        IntegerVariable("b", 0, 9, default=0, when="!on"),
    )
    for expression, when_on, when_off in (
        ("a > 5", False, True),
        ("!has(a) || a > 5", False, True),
        ("has(b)", False, True),
        ("count_active(a, b) == 1", True, True),
        ("has(on) && b > 5", False, False),
        ("9 / a > 1", False, True),
    ):
        space = Space(variables, (Constraint("it", expression),))
        for on, expected in ((True, when_on), (False, when_off)):
            assert (_is_valid(space, {"on": on}), expression, on) == (expected, expression, on)


def _is_valid(space: Space, values: dict[str, Any]) -> bool:
    try:
        space.validate(values)
    except Invalid:
        return False
    return True


def test_a_constraint_without_a_value_is_broken_and_says_why() -> None:
    """A division by zero is a violation, never a crash and never NaN."""
    space = Space((IntegerVariable("a", 0, 9), FloatVariable("x", 0, 1)), (Constraint("ratio", "x / a < 1"),))
    with pytest.raises(Invalid, match=r"breaks ratio: x / a < 1 \(a division by zero\)"):
        space.validate({"a": 0, "x": 0.5})
    assert space.validate({"a": 1, "x": 0.5})


def test_a_condition_without_a_value_is_not_met() -> None:
    """So that activity is always known."""
    space = Space((IntegerVariable("a", 0, 1), BooleanVariable("b", when="1 / a == 1")))
    assert space.validate({"a": 0}) == {"a": 0}
    assert space.validate({"a": 1, "b": True}) == {"a": 1, "b": True}
    assert space.size().discrete_cardinality == 3


@pytest.mark.parametrize(
    ("whens", "found"),
    [
        ({"a": "b == 1", "b": "c == 1", "c": "a == 1"}, [("variables[0].when", "CYCLE")]),
        ({"b": "b == 1"}, [("variables[1].when", "CYCLE")]),
        ({"a": "b == 1", "b": "a == 1", "c": "a == 1"}, [("variables[0].when", "CYCLE")]),
        ({"a": "x == 1", "c": "y == 1 || a == 1"}, [("variables[0].when", ""), ("variables[2].when", "")]),
        ({"a": "b"}, [("variables[0].when", "WRONG_TYPE")]),
        ({"a": "b == 'one'"}, [("variables[0].when", "WRONG_TYPE")]),
        ({"a": "b =="}, [("variables[0].when", "SYNTAX")]),
        ({"a": 7}, [("variables[0].when", "WRONG_TYPE")]),
        ({"a": "b == 1" + " || b == 1" * 999}, [("variables[0].when", "TOO_LARGE")]),
    ],
)
def test_cycles_unknown_names_and_what_is_no_condition_are_refused(whens: dict[str, Any], found: Any) -> None:
    """At the variable's `when`, all at once, a cycle once."""
    variables = tuple(IntegerVariable(name, 0, 2, when=whens.get(name, "")) for name in "abc")
    seen = faults(Space, variables)
    assert [path for path, _ in seen] == [path for path, _ in found]
    assert all(code in ("", each) for (_, code), (_, each) in zip(found, seen, strict=True))


def test_a_cycle_is_shown() -> None:
    """From each variable to what it depends on."""
    variables = (IntegerVariable("a", 0, 1, when="b == 1"), IntegerVariable("b", 0, 1, when="a == 1"))
    with pytest.raises(Invalid, match="makes a cycle: a -> b -> a"):
        Space(variables)


def test_every_violation_of_constraints_is_told_with_its_path() -> None:
    """Form, ids, texts, expressions; together with those of the variables, which they may name all the same."""
    variables: list[Any] = [{"name": "a", "integer": {"low": 0, "high": 1, "depth": 1}}, {"name": "b", "boolean": {}}]
    constraints: list[Any] = [
        {"id": "Bad Id", "expression": "a < 1", "message": "x" * 1001},
        {"id": "one", "expression": "a + 1"},
        {"id": "one", "expression": ""},
        {"expression": "b"},
        {"id": "two", "expression": "c", "priority": 1},
        {"id": "three", "expression": "c > 1"},
        {"id": "four", "expression": 4},
        7,
    ]
    assert set(faults(Space.from_json, variables, constraints)) == {
        ("variables[0].integer.depth", "UNKNOWN_NAME"),
        ("constraints[0].id", "INVALID_NAME"),
        ("constraints[0].message", "OUT_OF_RANGE"),
        ("constraints[1].expression", "WRONG_TYPE"),
        ("constraints[2].id", "DUPLICATE"),
        ("constraints[2].expression", "SYNTAX"),
        ("constraints[3].id", "REQUIRED"),
        ("constraints[4].priority", "UNKNOWN_NAME"),
        ("constraints[5].expression", "UNKNOWN_NAME"),
        ("constraints[6].expression", "WRONG_TYPE"),
        ("constraints[7]", "WRONG_TYPE"),
    }
    assert faults(Space.from_json, variables[1:], 3) == [("constraints", "WRONG_TYPE")]
    many = [{"id": f"c{index}", "expression": "b"} for index in range(1001)]
    assert faults(Space.from_json, variables[1:], many) == [("constraints", "OUT_OF_RANGE")]


@given(conditional_spaces())
def test_parents_stand_before_children_and_each_once(space: Space) -> None:
    """The origin's sort did neither (c.13); what nothing ties keeps its declared order."""
    order = [variable.name for variable in space.rules.order]
    assert sorted(order) == sorted(space.names)
    for name, condition in space.rules.conditions.items():
        assert all(order.index(parent) < order.index(name) for parent in condition.names)
    free = [name for name in space.names if not any(name in c.names for c in space.rules.conditions.values())]
    flat = [name for name in free if name not in space.rules.conditions]
    assert [name for name in order if name in flat] == flat


@given(conditional_spaces())
def test_the_json_form_keeps_conditions_and_constraints(space: Space) -> None:
    """And a flat space's form is what it always was, so that what is stored stays readable and hashes stay equal."""
    constraints = json.loads(json.dumps([each.to_json() for each in space.constraints]))
    assert Space.from_json(json.loads(json.dumps(space.to_json())), constraints) == space
    assert space.is_flat


@given(conditional_spaces(), SEEDS)
def test_what_is_drawn_is_valid_and_drawn_again_the_same(space: Space, seed: int) -> None:
    """Or refused, with numbers, as a space that seems unsatisfiable."""
    try:
        drawn = random_configurations(space, 3, seed)
    except Unsatisfied as refusal:
        assert refusal.candidates >= ATTEMPTS
        assert refusal.most_violated in {each.id for each in space.constraints}
        return
    assert repr([space.validate(each) for each in drawn]) == repr(drawn)
    assert repr([random_configuration(space, seed, index) for index in range(3)]) == repr(drawn)


@given(conditional_spaces(with_constraints=False))
def test_the_size_is_the_number_of_configurations(space: Space) -> None:
    """Branches are summed; against enumeration of everything that could be given, absence included."""
    pools = [[None, *(each.at(index) for index in range(each.cardinality or 1))] for each in space.variables]
    found = set()
    for values in itertools.product(*pools):
        given_ = {name: value for name, value in zip(space.names, values, strict=True) if value is not None}
        try:
            found.add(canonical_json(space.validate(given_)))
        except Invalid:
            continue
    size = space.size()
    assert (size.discrete_cardinality, size.is_estimated) == (len(found), False)
    assert size.conditional_dimensions == len(space.rules.conditions)


def test_sizes_sum_over_branches_and_say_when_they_are_estimates() -> None:
    """A continuous or very large parent cannot be counted: then the size is an upper bound."""
    assert SPACE.size().discrete_cardinality == 1 + 1 + 7 * 2
    half = Space((FloatVariable("x", 0, 1), BooleanVariable("b", when="x > 0.5")))
    assert (half.size().is_estimated, half.size().discrete_cardinality) == (True, 2)
    wide = Space(tuple(IntegerVariable(f"v{i}", 1, 1000, when=f"v{i - 1} > 9" if i else "") for i in range(1000)))
    assert wide.size().is_estimated
    assert wide.size().log10 == pytest.approx(3000)


def test_drawing_respects_the_declared_distributions_within_what_is_valid() -> None:
    """Rejection keeps them: the compatible pairs are equally likely, a quarter of independent draws."""
    models = tuple(model for names in MODELS.values() for model in names)
    space = Space(
        (ChoiceVariable("provider", tuple(MODELS)), ChoiceVariable("model", models)), (Constraint("table", TABLE),)
    )
    counts = Counter((each["provider"], each["model"]) for each in random_configurations(space, 2000, 1))
    assert len(counts) == 4
    assert all(abs(count - 500) < 5 * math.sqrt(2000 * 3 / 16) for count in counts.values())
    assert feasible_share(space) == pytest.approx(0.5, abs=0.15)


def test_a_tight_space_is_repaired_and_an_empty_one_is_told() -> None:
    """Bounded effort; the acceptance rate and the constraint that is broken most are named."""
    bits = tuple(BooleanVariable(f"b{index}") for index in range(30))
    tight = Space(bits, tuple(Constraint(f"c{index}", f"b{index}") for index in range(30)))
    sampler = Sampler(tight, 1)
    assert sampler.configuration(0) == {f"b{index}": True for index in range(30)}
    assert sampler.effort.candidates == ATTEMPTS
    empty = Space(bits, (Constraint("some", "b0 || b1"), Constraint("never", "b0 && !b0")))
    with pytest.raises(Unsatisfied, match=r"0 of 256 candidates \(0.00%\) are valid; 100% break never"):
        random_configuration(empty, 1, 0)


def test_repair_changes_parents_where_only_they_help() -> None:
    """A constraint on a variable's presence is mended at what makes it active."""
    space = Space(
        (
            IntegerVariable("n", 1, 10_000),
            BooleanVariable("a", when="n > 9000"),
            BooleanVariable("b", when="n > 9000"),
            *(BooleanVariable(f"c{index}") for index in range(12)),
        ),
        (Constraint("both", "has(a) && has(b)"), *(Constraint(f"c{index}", f"c{index}") for index in range(12))),
    )
    drawn = random_configurations(space, 5, 3)
    assert all(each["n"] > 9000 and each["c11"] for each in drawn)


def test_long_chains_of_conditions_are_no_trouble() -> None:
    """A thousand variables, each active when the one before is, declared backwards."""
    chain = [IntegerVariable(f"v{i}", 1, 2, when=f"v{i - 1} >= 1" if i else "", default=1) for i in range(1000)]
    space = Space(tuple(reversed(chain)))
    assert len(space.validate({})) == 1000
    assert next(iter(space.validate({}))) == "v999"
    assert len(random_configuration(space, 1, 0)) == 1000


def test_expressions_that_are_too_long_together_are_refused_unread() -> None:
    """Also within groups: what would take long to read is not read."""
    long = " || ".join(["b"] * 800)
    many = tuple(Constraint(f"c{index}", long) for index in range(60))
    assert faults(Space, (BooleanVariable("b"),), many) == [("constraints", "TOO_LARGE")]
    inner = tuple(ComputedVariable(f"c{index}", long) for index in range(60))
    assert faults(Space, (GroupVariable("g", (BooleanVariable("b"), *inner)),)) == [("variables", "TOO_LARGE")]
    assert Space((BooleanVariable("b"),), many[:40])


def test_what_is_null_is_absent() -> None:
    """Required or not: a form never crashes."""
    form: list[Any] = [
        {"name": "a", "integer": {"low": None, "high": 3}, "when": None, "description": None},
        {"name": "b", "choice": {"choices": None, "weights": None}},
        {"name": "c", "computed": {"expression": None}},
        {"name": "d", "conditional": {"condition": None, "then": {"float": {"low": 0, "high": None}}}},
        {"name": "e", "boolean": {}, "default": None},
    ]
    assert faults(Space.from_json, form, [{"id": "x", "expression": None, "message": None}]) == [
        ("variables[0].integer.low", "REQUIRED"),
        ("variables[1].choice.choices", "REQUIRED"),
        ("variables[2].computed.expression", "REQUIRED"),
        ("variables[3].conditional.condition", "REQUIRED"),
        ("variables[3].conditional.then.float.high", "REQUIRED"),
        ("constraints[0].expression", "REQUIRED"),
    ]
