"""Components that do not go together, and what variables say beside their values."""

import json
from typing import Any

import pytest

from domain.notes import hints_of
from domain.sampling import random_configurations
from domain.space import (
    ChoiceVariable,
    Compatibility,
    Component,
    ConditionalVariable,
    FloatVariable,
    GroupVariable,
    ModuleVariable,
    Notes,
    Space,
)
from domain.values import Invalid

ADAPTERS = (Component("chat"), Component("json@2"), Component("json@3"))
REASONING = (
    Component("predict"),
    Component("react@1", compatibility=(Compatibility("adapter", ("json",)),)),
    Component("refine", compatibility=(Compatibility("adapter", ("chat", "json@3")), Compatibility("client", ()))),
)


def modules(one: str = "reasoning", other: str = "adapter") -> tuple[ModuleVariable, ModuleVariable]:
    """Two module variables of which one is picky."""
    return (
        ModuleVariable(one, interface="reasoning", components=REASONING),
        ModuleVariable(other, interface="adapter", components=ADAPTERS),
    )


@pytest.mark.parametrize("turned", [False, True])
def test_components_that_do_not_go_together_are_refused(turned: bool) -> None:
    """An id without version means all of its versions; what a component does not speak of goes with it."""
    space = Space(modules()[::-1] if turned else modules())
    assert not space.constraints
    good = {("predict", "chat"), ("predict", "json@2"), ("predict", "json@3"), ("react@1", "json@2")}
    good |= {("react@1", "json@3"), ("refine", "chat"), ("refine", "json@3")}
    drawn = {(each["reasoning"], each["adapter"]) for each in random_configurations(space, 200, 1)}
    assert drawn == good
    with pytest.raises(Invalid) as refusal:
        space.validate({"reasoning": "react@1", "adapter": "chat"})
    (violation,) = refusal.value.violations
    assert (violation.path, violation.constraint) == ("values", "compatible-reasoning-adapter")
    assert violation.message == "reasoning and adapter are components that do not go together"


def test_a_module_that_is_not_there_goes_with_everything() -> None:
    """As of any constraint that reads an inactive variable."""
    one, other = modules()
    space = Space(
        (
            one,
            ChoiceVariable("on", ("yes", "no")),
            ModuleVariable("adapter", interface="adapter", components=ADAPTERS, when="on == 'yes'"),
        )
    )
    assert space.validate({"reasoning": "react@1", "on": "no"})
    assert other.interface == "adapter"


def test_components_within_a_group_are_judged_there() -> None:
    """Among themselves."""
    space = Space((GroupVariable("parts", modules()),))
    assert space.validate({"parts": {"reasoning": "react@1", "adapter": "json@2"}})
    with pytest.raises(Invalid, match="do not go together"):
        space.validate({"parts": {"reasoning": "react@1", "adapter": "chat"}})
    for each in random_configurations(space, 50, 3):
        assert space.validate(each) == each


def test_a_module_that_no_expression_can_name_has_no_compatibility() -> None:
    """It is said where the name is."""
    with pytest.raises(Invalid) as refusal:
        Space(modules(other="in"))
    assert [(each.path, each.code) for each in refusal.value.violations] == [("variables[1].name", "INVALID_NAME")]


def test_more_components_than_an_expression_can_tell_apart_are_refused_where_they_are() -> None:
    """Nobody has written the expression: its column would say nothing."""
    ids = [f"c{index}" for index in range(1000)]
    picky = Compatibility("adapter", tuple(ids[1:]))
    one = ModuleVariable("one", interface="reasoning", components=tuple(Component(each, (), (picky,)) for each in ids))
    other = ModuleVariable("other", interface="adapter", components=tuple(map(Component, ids)))
    with pytest.raises(Invalid) as refusal:
        Space((other, one))
    (violation,) = refusal.value.violations
    assert (violation.path, violation.code) == ("variables[1].module.components", "TOO_LARGE")
    assert "go together with those of other" in violation.message and "list fewer" in violation.message


def test_a_branch_may_choose_a_module() -> None:
    """Of the components that fit the condition."""
    then, otherwise = modules("r", "r")
    space = Space((ChoiceVariable("m", (1, 2)), ConditionalVariable("r", "m == 1", then, otherwise)))
    assert space.validate({"m": 2, "r": "chat"}) and space.validate({"m": 1, "r": "predict"})
    with pytest.raises(Invalid, match="must be one of"):
        space.validate({"m": 2, "r": "predict"})


def test_the_json_form_keeps_compatibility_and_notes() -> None:
    """Also when every number is a double."""
    notes = Notes(("high_impact", "cost_impact"), {"sweet_spot": [0.3, 1], "cost": {"a": None}})
    space = Space((*modules(), FloatVariable("x", 0, 1, notes=notes)))
    assert Space.from_json(json.loads(json.dumps(space.to_json()), parse_int=float)) == space
    assert "hints" not in space.to_json()[0]


def test_hints_are_those_of_the_kind_and_ones_own() -> None:
    """Each once."""
    assert hints_of("float", Notes(("continuous", "cost_impact"))) == ("continuous", "differentiable", "cost_impact")
    assert hints_of("instruction", Notes()) == ("open", "text", "high_impact")


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"hints": ["A"]}, "hints[0]"),
        ({"hints": ["a"] * 33}, "hints"),
        ({"hints": "a"}, "hints"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"a": "x" * 17_000}}, "metadata"),
        ({"metadata": {"a": "\0"}}, "metadata.a"),
        ({"cost_weight": 1}, "cost_weight"),
    ],
)
def test_notes_are_bounded(entry: dict[str, Any], path: str) -> None:
    """Unknown fields are refused: metadata is the place for them."""
    with pytest.raises(Invalid) as refusal:
        Space.from_json([{"name": "x", "boolean": {}, **entry}])
    assert {each.path for each in refusal.value.violations} == {f"variables[0].{path}"}


def test_the_form_of_compatibility_is_checked() -> None:
    """Missing keys and wrong types have their paths."""
    component: Any = {
        "id": "a",
        "compatibility": [{"interface": "adapter"}, 3, {"interface": "A", "components": ["X y"]}],
    }
    with pytest.raises(Invalid) as refusal:
        Space.from_json([{"name": "x", "module": {"interface": "r", "components": [component]}}])
    place = "variables[0].module.components[0].compatibility"
    assert [each.path for each in refusal.value.violations] == [f"{place}[0].components", f"{place}[1]"]
    component["compatibility"] = component["compatibility"][2:]
    with pytest.raises(Invalid) as refusal:
        Space.from_json([{"name": "x", "module": {"interface": "r", "components": [component]}}])
    assert [each.path for each in refusal.value.violations] == [f"{place}[0].interface", f"{place}[0].components[0]"]
