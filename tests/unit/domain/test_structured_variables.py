"""Variables made of others: hybrids, groups, conditional, computed and module variables."""

import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain import space as space_module
from domain.designs import configuration
from domain.sampling import Unsatisfied, random_configuration, random_configurations
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    Component,
    ComputedVariable,
    ConditionalVariable,
    Constraint,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    ModuleVariable,
    Space,
)
from domain.values import Invalid, canonical_json
from tests.tries import tries
from tests.unit.domain.arbitrary import structured_spaces

SEEDS = st.integers(0, 2**63 - 1)
OPTIMIZER = HybridVariable(
    "optimizer",
    (
        HybridBranch("adam", FloatVariable("number", 1e-5, 1e-1, log=True)),
        HybridBranch("sgd", FloatVariable("number", 0.1, 1)),
        HybridBranch("steps", IntegerVariable("number", 1, 8)),
    ),
)
SAMPLER = GroupVariable(
    "sampler",
    (
        FloatVariable("temperature", 0, 2, default=0.7),
        BooleanVariable("nucleus", default=False),
        FloatVariable("top_p", 0, 1, when="nucleus", default=0.9),
    ),
)


def faults(action: Any, *arguments: Any) -> list[tuple[str, str]]:
    """Return the paths and codes of the refusal."""
    with pytest.raises(Invalid) as refusal:
        action(*arguments)
    return [(each.path, each.code) for each in refusal.value.violations]


@given(structured_spaces(), SEEDS)
def test_what_is_drawn_is_valid_and_the_json_form_loses_nothing(space: Space, seed: int) -> None:
    """Whatever the kinds, and also when every number is a double."""
    form = json.loads(json.dumps(space.to_json()), parse_int=float)
    rules = [each.to_json() for each in space.constraints]
    assert Space.from_json(form, rules) == space
    try:
        drawn = random_configurations(space, 3, seed)
    except Unsatisfied:
        return
    assert repr([space.validate(each) for each in drawn]) == repr(drawn)
    doubles = json.loads(json.dumps(drawn), parse_int=float)
    assert repr([space.validate(each) for each in doubles]) == repr(drawn)
    assert repr([random_configuration(space, seed, index) for index in range(3)]) == repr(drawn)


@given(structured_spaces(), SEEDS)
def test_designs_reach_every_kind(space: Space, seed: int) -> None:
    """A point of the unit cube is a configuration, whatever the kinds."""
    try:
        found = configuration(space, [0.5] * len(space.variables), seed)
    except Unsatisfied:
        return
    assert repr(space.validate(found)) == repr(found)


def test_a_hybrid_draws_from_the_range_of_its_choice() -> None:
    """The origin drew from the first range whatever the choice (c.2)."""
    space = Space((OPTIMIZER,))
    drawn = [each["optimizer"] for each in random_configurations(space, 300, 1)]
    ranges = {"adam": (1e-5, 1e-1), "sgd": (0.1, 1), "steps": (1, 8)}
    assert {each["choice"] for each in drawn} == set(ranges)
    assert all(ranges[each["choice"]][0] <= each["number"] <= ranges[each["choice"]][1] for each in drawn)
    size = space.size()
    assert (size.discrete_cardinality, size.is_infinite) == (1 + 1 + 8, True)
    assert (size.discrete_dimensions, size.continuous_dimensions) == (1, 1)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"choice": "adam", "number": 0.5}, [("values.optimizer.number", "OUT_OF_RANGE")]),
        ({"choice": "rmsprop", "number": 0.5}, [("values.optimizer.choice", "NOT_A_CHOICE")]),
        ({"choice": "steps", "number": 1.5}, [("values.optimizer.number", "WRONG_TYPE")]),
        ({"choice": "sgd", "rate": 1}, [("values.optimizer.rate", ""), ("values.optimizer.number", "REQUIRED")]),
        ("adam", [("values.optimizer", "WRONG_TYPE")]),
    ],
)
def test_a_hybrid_value_is_judged_part_by_part(value: Any, found: list[tuple[str, str]]) -> None:
    """Each part at its own path."""
    seen = faults(Space((OPTIMIZER,)).validate, {"optimizer": value})
    assert [path for path, _ in seen] == [path for path, _ in found]
    assert all(code in ("", each) for (_, code), (_, each) in zip(found, seen, strict=True))


def test_a_group_is_an_object_with_its_own_conditions() -> None:
    """Missing members are filled in, inactive ones stay absent, violations have nested paths."""
    space = Space((SAMPLER, BooleanVariable("b", default=True)))
    assert space.validate({}) == {"sampler": {"temperature": 0.7, "nucleus": False}, "b": True}
    assert space.validate({"sampler": {"nucleus": True}})["sampler"]["top_p"] == 0.9
    wrong = {"temperature": 3, "top_p": 0.1, "x": 1}
    assert faults(space.validate, {"sampler": wrong}) == [
        ("values.sampler.x", "UNKNOWN_NAME"),
        ("values.sampler.temperature", "OUT_OF_RANGE"),
        ("values.sampler.top_p", "INACTIVE"),
    ]
    assert faults(space.validate, {"sampler": 3}) == [("values.sampler", "WRONG_TYPE")]
    assert space.size().continuous_dimensions == 2
    assert space.size().conditional_dimensions == 1


def test_constraints_read_members_of_groups_and_hybrids() -> None:
    """Checked before they run; absent members are inactive variables."""
    expression = "!has(sampler.top_p) || sampler.temperature < 1 || optimizer.choice == 'sgd'"
    space = Space((SAMPLER, OPTIMIZER), (Constraint("calm", expression),))
    sgd, adam = {"choice": "sgd", "number": 0.5}, {"choice": "adam", "number": 1e-3}
    hot = {"temperature": 1.5, "nucleus": True}
    assert space.validate({"sampler": hot, "optimizer": sgd})
    assert space.validate({"sampler": {**hot, "nucleus": False}, "optimizer": adam})
    assert faults(space.validate, {"sampler": hot, "optimizer": adam}) == [("values", "CONSTRAINT")]
    for wrong, code in (("sampler.top_k == 1", "UNKNOWN_NAME"), ("optimizer.choice > 1", "WRONG_TYPE")):
        constraint = Constraint("it", wrong)
        assert faults(Space, space.variables, (constraint,)) == [("constraints[0].expression", code)]


BUDGET = (
    ChoiceVariable("mode", ("fast", "deep"), default="fast"),
    ConditionalVariable(
        "budget", "mode == 'deep'", IntegerVariable("budget", 10, 19), FloatVariable("budget", 0, 1, default=0.5)
    ),
    ConditionalVariable("extra", "mode == 'deep'", BooleanVariable("extra", default=True)),
)


def test_a_conditional_variable_takes_the_domain_of_its_branch() -> None:
    """Without another branch it is inactive; each branch has a default of its own; sizes are summed."""
    space = Space(BUDGET)
    assert space.validate({}) == {"mode": "fast", "budget": 0.5}
    assert space.validate({"mode": "deep", "budget": 12}) == {"mode": "deep", "budget": 12, "extra": True}
    assert faults(space.validate, {"mode": "deep", "budget": 0.5}) == [("values.budget", "WRONG_TYPE")]
    assert faults(space.validate, {"mode": "deep"}) == [("values.budget", "REQUIRED")]
    assert faults(space.validate, {"extra": True}) == [("values.extra", "INACTIVE")]
    assert space.size().discrete_cardinality == 1 + 10 * 2
    assert space.size().conditional_dimensions == 2
    for each in random_configurations(space, 50, 1):
        assert (type(each["budget"]), "extra" in each) == ((int, True) if each["mode"] == "deep" else (float, False))


def test_computed_variables_are_filled_in_in_their_order() -> None:
    """Numbers of 12 digits, whole ones as integers; declared before what they read, and read by others."""
    space = Space(
        (
            ComputedVariable("total", "tokens * calls"),
            ComputedVariable("calls", "count_active(a, b) + shots / 3"),
            IntegerVariable("shots", 0, 9, default=1),
            IntegerVariable("tokens", 1, 100, default=3),
            BooleanVariable("a", default=True),
            BooleanVariable("b", default=True),
            IntegerVariable("c", 0, 1, when="total > 6", default=0),
        ),
        (Constraint("cheap", "total <= 200"),),
    )
    assert space.validate({}) == {
        "total": 7,
        "calls": pytest.approx(7 / 3),
        "shots": 1,
        "tokens": 3,
        "a": True,
        "b": True,
        "c": 0,
    }
    assert space.validate({"shots": 0}) == {"total": 6, "calls": 2, "shots": 0, "tokens": 3, "a": True, "b": True}
    given_ = space.validate({"shots": 9})
    assert space.validate(given_) == given_
    assert faults(space.validate, {"total": 8}) == [("values.total", "COMPUTED")]
    assert faults(space.validate, {"tokens": 100}) == [("values.total", "CONSTRAINT")]
    assert faults(space.validate, {"shots": "x", "total": 3}) == [("values.shots", "WRONG_TYPE")]


def test_a_computed_variable_without_a_value_is_a_violation_and_never_drawn() -> None:
    """Exceptions become errors; draws avoid them, and a space that has nothing else says so."""
    space = Space((IntegerVariable("n", 0, 3), ComputedVariable("share", "1 / n")))
    with pytest.raises(Invalid, match="cannot be computed: a division by zero"):
        space.validate({"n": 0})
    assert {each["n"] for each in random_configurations(space, 60, 1)} == {1, 2, 3}
    nested = Space((GroupVariable("g", space.variables),))
    assert {each["g"]["n"] for each in random_configurations(nested, 60, 1)} == {1, 2, 3}
    never = Space((IntegerVariable("n", 0, 3), ComputedVariable("never", "n / 0")))
    with pytest.raises(Unsatisfied, match="100% break never"):
        random_configuration(never, 1, 0)


def test_a_computed_variable_is_inactive_with_what_it_reads() -> None:
    """And inactive variables are absent."""
    space = Space(
        (
            BooleanVariable("on", default=False),
            IntegerVariable("n", 0, 3, when="on", default=2),
            ComputedVariable("twice", "n * 2"),
            ComputedVariable("safe", "has(n) ? n : 7"),
        )
    )
    assert space.validate({}) == {"on": False, "safe": 7}
    assert space.validate({"on": True}) == {"on": True, "n": 2, "twice": 4, "safe": 2}
    assert faults(space.validate, {"twice": 4}) == [("values.twice", "INACTIVE")]
    assert space.size().discrete_cardinality == 1 + 4


def test_computed_texts_do_not_explode() -> None:
    """A chain of doublings ends in a violation, not in memory."""
    chain = [ComputedVariable(f"t{i}", f"t{i - 1} + t{i - 1}") for i in range(1, 200)]
    space = Space((ChoiceVariable("t0", ("abcdefgh",), default="abcdefgh"), *chain))
    with pytest.raises(Invalid, match="a text of more than 10000 characters"):
        space.validate({})


REASONING = ModuleVariable(
    "reasoning",
    interface="reasoning",
    components=(Component("predict", ("text",)), Component("react@2", ("text", "tools"))),
    capabilities=("text",),
    default="predict",
)


def test_a_module_is_one_of_its_components_by_id() -> None:
    """Never anything that could be imported."""
    space = Space((REASONING, BooleanVariable("tools", when="reasoning == 'react@2'")))
    assert space.validate({}) == {"reasoning": "predict"}
    assert faults(space.validate, {"reasoning": "os.system"}) == [("values.reasoning", "NOT_A_CHOICE")]
    assert space.size().discrete_cardinality == 3
    counts = Counter(each["reasoning"] for each in random_configurations(space, 100, 1))
    assert set(counts) == {"predict", "react@2"}


@pytest.mark.parametrize(
    ("variable", "found"),
    [
        (ModuleVariable("x", interface="reasoning"), [("components", "OUT_OF_RANGE")]),
        (ModuleVariable("x", interface="a b", components=(Component("a"),)), [("interface", "INVALID_NAME")]),
        (
            ModuleVariable("x", interface="a", components=(Component("os.path"),)),
            [("components[0].id", "INVALID_NAME")],
        ),
        (ModuleVariable("x", interface="a", components=(Component("a"),) * 2), [("components[1]", "DUPLICATE")]),
        (
            ModuleVariable("x", interface="a", components=(Component("a"),), capabilities=("tools",)),
            [("components[0].capabilities", "INCOMPATIBLE")],
        ),
        (HybridVariable("x", ()), [("branches", "OUT_OF_RANGE")]),
        (HybridVariable("x", OPTIMIZER.branches[:1] * 2), [("branches[1].choice", "DUPLICATE")]),
        (
            HybridVariable("x", (HybridBranch("a", FloatVariable("number", 2, 1)),)),
            [("branches[0].float.high", "OUT_OF_RANGE")],
        ),
        (GroupVariable("x", ()), [("variables", "OUT_OF_RANGE")]),
        (
            GroupVariable("x", (BooleanVariable("A"), BooleanVariable("b", when="b"))),
            [("variables[0].name", ""), ("variables[1].when", "CYCLE")],
        ),
        (GroupVariable("x", (BooleanVariable("a", when="outside"),)), [("variables[0].when", "UNKNOWN_NAME")]),
        (
            ConditionalVariable("x", "y", IntegerVariable("x", 2, 1), IntegerVariable("x", 1, 2, default=3)),
            [
                ("then.integer.high", "OUT_OF_RANGE"),
                ("otherwise.default", "OUT_OF_RANGE"),
                ("condition", "UNKNOWN_NAME"),
            ],
        ),
        (ConditionalVariable("x", "", BooleanVariable("x")), [("condition", "SYNTAX")]),
        (ConditionalVariable("x", "x", BooleanVariable("x")), [("condition", "CYCLE")]),
        (ComputedVariable("x", ""), [("expression", "SYNTAX")]),
        (ComputedVariable("x", "x + 1"), [("expression", "CYCLE")]),
        (ComputedVariable("x", "1", when="y"), [("when", "UNKNOWN_NAME")]),
    ],
)
def test_what_is_wrong_inside_is_told_at_its_place(variable: Any, found: list[tuple[str, str]]) -> None:
    """Every violation, below the variable."""
    seen = faults(Space, (variable,))
    prefix = {"when": "variables[0]."}
    expected = [prefix.get(path, f"variables[0].{variable.kind}.") + path for path, _ in found]
    assert [path for path, _ in seen] == expected
    assert all(code in ("", each) for (_, code), (_, each) in zip(found, seen, strict=True))


def test_a_default_belongs_where_values_are_chosen() -> None:
    """Not to computed variables, nor to conditional ones as a whole."""
    form = [
        {"name": "a", "computed": {"expression": "1"}, "default": 1},
        {"name": "b", "conditional": {"condition": "true", "then": {"boolean": {}}}, "default": True},
        {"name": "c", "group": {"variables": [{"name": "d", "boolean": {}}]}, "default": {"d": 3}},
        {
            "name": "e",
            "hybrid": {"branches": [{"choice": 1, "integer": {"low": 1, "high": 2}}]},
            "default": {"choice": 1},
        },
    ]
    assert faults(Space.from_json, form) == [
        ("variables[0].default", "CONTRADICTION"),
        ("variables[1].default", "CONTRADICTION"),
        ("variables[2].default.d", "WRONG_TYPE"),
        ("variables[3].default.number", "REQUIRED"),
    ]


def test_the_form_is_checked_at_every_depth() -> None:
    """Unknown keys, missing parts, wrong types, groups that are nested too deep."""
    deep: dict[str, Any] = {"name": "a", "boolean": {}}
    for _ in range(9):
        deep = {"name": "a", "group": {"variables": [deep]}}
    form: list[Any] = [
        {"name": "a", "hybrid": {"branches": [{"float": {"low": 1}}, 3]}},
        {"name": "b", "group": {"variables": [{"boolean": {"x": 1}}]}},
        {"name": "c", "conditional": {"condition": "true", "then": None, "otherwise": {"group": {}}}},
        {"name": "d", "module": {"interface": "x", "components": [{"id": "a", "path": "os"}]}},
        {"name": "e", "group": {"variables": "all"}},
        deep,
    ]
    assert [path.removeprefix("variables") for path, _ in faults(Space.from_json, form)] == [
        "[0].hybrid.branches[0].choice",
        "[0].hybrid.branches[0].float.high",
        "[0].hybrid.branches[1]",
        "[1].group.variables[0].name",
        "[1].group.variables[0].boolean.x",
        "[2].conditional.then",
        "[2].conditional.otherwise",
        "[2].conditional.otherwise.group",
        "[3].module.components[0].path",
        "[4].group.variables",
        "[5]" + ".group.variables[0]" * 8 + ".group",
    ]


def test_variables_within_groups_count() -> None:
    """A thousand variables in all, wherever they stand."""
    inner = tuple(BooleanVariable(f"v{index}") for index in range(600))
    assert faults(Space, (GroupVariable("a", inner), GroupVariable("b", inner))) == [("variables", "OUT_OF_RANGE")]


def test_groups_within_groups_are_judged_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the innermost is refused: each level is asked for its faults and for what it reads as."""
    judged: list[int] = []
    judge = space_module.judge_space

    def counting(*arguments: Any) -> Any:
        judged.append(1)
        return judge(*arguments)

    monkeypatch.setattr(space_module, "judge_space", counting)
    variable: Any = BooleanVariable("b", when="nothing")
    for _ in range(8):
        variable = GroupVariable("g", (variable,))
    (found,) = faults(Space, (variable,))
    assert found == ("variables[0]" + ".group.variables[0]" * 8 + ".when", "UNKNOWN_NAME")
    assert len(judged) == 9


def test_groups_within_groups_are_counted_once_each() -> None:
    """However often the branches above one are gone through: here two hundred thousand times."""
    members: tuple[Any, ...] = (*(BooleanVariable(f"p{i}") for i in range(4)), BooleanVariable("q", when="p0 || p3"))
    for _ in range(5):
        members = (*members[:4], GroupVariable("q", members, when="p0 || p3"))
    counted = 12 * 2 + 4
    for _ in range(5):
        counted = 12 * counted + 4
    size = Space(members).size()
    assert (size.discrete_cardinality, size.is_estimated) == (counted, False)


@settings(max_examples=tries(40))
@given(structured_spaces(with_constraints=False, values=2))
def test_the_size_is_the_number_of_configurations(space: Space) -> None:
    """Against enumeration of everything that could be given, absence included."""
    pools = [[None, *_everything(each)] for each in space.variables]
    found = set()
    for values in itertools.product(*pools):
        given_ = {name: value for name, value in zip(space.names, values, strict=True) if value is not None}
        try:
            found.add(canonical_json(space.validate(given_)))
        except Invalid as invalid:
            # What depends on a value that cannot be computed is not judged, so there is nothing to count.
            assume(all(each.code != "NO_VALUE" for each in invalid.violations))
    size = space.size()
    assert size.discrete_cardinality >= len(found) if size.is_estimated else size.discrete_cardinality == len(found)


def _everything(variable: Any) -> list[Any]:
    if isinstance(variable, HybridVariable):
        return [
            {"choice": b.choice, "number": b.range.at(i)}
            for b in variable.branches
            for i in range(b.range.cardinality or 1)
        ]
    if isinstance(variable, ConditionalVariable):
        return [value for branch in variable.branches.values() for value in _everything(branch)]
    if isinstance(variable, ComputedVariable):
        return []
    if isinstance(variable, GroupVariable):
        return [
            dict(zip(variable.inner.names, each, strict=True))
            for each in itertools.product(*map(_everything, variable.variables))
        ]
    return [variable.at(index) for index in range(variable.cardinality)]
