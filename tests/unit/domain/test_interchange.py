"""Round trips with other libraries: what carries over comes back equal, what does not is told."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import json_to_distribution

from domain.interchange import FORMATS, Exported, imported
from domain.interchange.labels import choices_of
from domain.notes import Notes
from domain.seeds import Draw
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
    Normal,
    Space,
)
from domain.values import Invalid, canonical_json
from tests.tries import tries
from tests.unit.domain.arbitrary import conditional_spaces, spaces, structured_spaces

ANY = spaces() | conditional_spaces() | structured_spaces()
NAMES = sorted(FORMATS)


@settings(max_examples=tries(80), deadline=None)
@pytest.mark.parametrize("name", NAMES)
@given(space=ANY)
def test_where_nothing_is_told_the_way_back_gives_an_equal_space(name: str, space: Space) -> None:
    """Through JSON text; and a second trip never has anything to tell that is lost."""
    form = FORMATS[name]
    there = Exported(space, form)
    back, remarks = imported(json.loads(json.dumps(there.document)), form)
    assert remarks == ()
    if not there.remarks:
        assert back.content_hash == space.content_hash
    again = Exported(back, form)
    assert {each.kind for each in again.remarks} <= {"REWRITTEN"}
    assert imported(again.document, form)[0].content_hash == back.content_hash


@settings(max_examples=tries(80), deadline=None)
@pytest.mark.parametrize("name", NAMES)
@given(space=ANY, seed=st.integers(0, 99))
def test_every_value_has_one_on_the_other_side_that_leads_back(name: str, space: Space, seed: int) -> None:
    """Of whatever kind; and where nothing is lost, it is a value of the other side's own domain."""
    form = FORMATS[name]
    there = Exported(space, form)
    values = space.draw(Draw(seed))
    parameters = json.loads(json.dumps(there.encode(values)))
    assert canonical_json(there.decode(parameters)) == canonical_json(values)
    if all(each.kind == "REWRITTEN" for each in there.remarks):
        other = imported(there.document, form)[0]
        read = Exported(other, form).decode(parameters)
        assert canonical_json(other.validate(read)) == canonical_json(read)
        assert read.keys() == parameters.keys()


FULL = Space(
    (
        ChoiceVariable("model", (1, True, "1"), default="1"),
        ChoiceVariable("size", ("s", "m", "l"), weights=(1, 2, 3), description="how large"),
        IntegerVariable("shots", 0, 9, step=4, default=4, when='size == "s"'),
        IntegerVariable("batch", 1, 8, power_of_two=True),
        FloatVariable("rate", 1e-4, 1, log=True, default=0.01, notes=Notes(("high_impact",))),
        FloatVariable("heat", 0, 2, normal=Normal(1, 0.5)),
        FloatVariable("near", 0, 1, when="heat < 1"),
        BooleanVariable("rules", default=True),
        ModuleVariable("way", interface="reasoning", components=(Component("predict"), Component("react"))),
        HybridVariable("tool", (HybridBranch("a", IntegerVariable("number", 0, 3)),)),
        GroupVariable("inner", (IntegerVariable("depth", 1, 3),), when="rules"),
        ConditionalVariable("either", "rules", BooleanVariable("either"), IntegerVariable("either", 1, 2)),
        ComputedVariable("twice", "shots * 2"),
    ),
    (Constraint("calm", "heat < 1.5"),),
)


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_carry_over_is_told_of_each_variable(name: str) -> None:
    """Nothing is dropped in silence."""
    told = {each.path for each in Exported(FULL, FORMATS[name]).remarks}
    assert {"batch", "rate", "way", "tool", "inner", "either", "twice", "constraints.calm", "near"} <= told
    assert {"heat"} <= told or name == "configspace"


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_names_of_their_own(name: str) -> None:
    """Also where what is within one variable would be called as another one is."""
    space = Space(
        (
            HybridVariable("a", (HybridBranch("x", FloatVariable("number", 0, 1)),)),
            ChoiceVariable("a_choice", ("p", "q")),
            GroupVariable("b", (BooleanVariable("c"), FloatVariable("d", 0, 1, when="c"))),
            FloatVariable("b_c", 0, 1),
            FloatVariable("e", 0, 1, when='a_choice == "p"'),
        )
    )
    there = Exported(space, FORMATS[name])
    back, _ = imported(json.loads(json.dumps(there.document)), FORMATS[name])
    assert len(set(back.names)) == len(back.names) == 7
    assert {each.name: each.when for each in back.variables}["e"] == 'a_choice == "p"'
    values: dict[str, Any] = {"a": {"choice": "x", "number": 0.5}, "a_choice": "p", "b": {"c": True, "d": 0.25}}
    values |= {"b_c": 0.75, "e": 0.125}
    assert there.decode(there.encode(values)) == values


def test_names_that_become_the_same_are_numbered() -> None:
    """However many there are: a file of a megabyte may hold sixty thousand."""
    parameter = {"type": "range", "bounds": [0, 1], "value_type": "float"}
    document = {"parameters": [{**parameter, "name": f"A{'!' * index}"} for index in range(5000)]}
    with pytest.raises(Invalid, match="at most 1000, not 5000"):
        imported(document, FORMATS["ax"])
    space, remarks = imported({"parameters": document["parameters"][:3]}, FORMATS["ax"])
    assert space.names == ("a", "a_", "a__") and len(remarks) == 3
    twice = [{**parameter, "name": each} for each in ("A!", "a?", "a_", "a_2")]
    assert imported({"parameters": twice}, FORMATS["ax"])[0].names == ("a_", "a__2", "a__3", "a_2")


def test_places_unfold_to_no_more_than_is_refused() -> None:
    """A megabyte of places of one long text would be a hundred gigabytes."""
    number = {"name": "FloatDistribution", "attributes": {"low": 0, "high": 1}}
    parent = {"name": "a", "distribution": {"name": "CategoricalDistribution"}, "choices": ["x" * 400_000, "y"]}
    for places in ([0] * 250_000, [0], [1, 0]):
        child = {"name": "b", "distribution": number, "conditions": [{"parent": "a", "values": places}]}
        with pytest.raises(Invalid, match=r"variables\[1\]\.when: column 4097: is longer than 4096 characters"):
            imported({"parameters": [parent, child]}, FORMATS["optuna"])


def test_optuna_reads_the_distributions() -> None:
    """Its own parser, and choices by their places."""
    document: Any = Exported(FULL, FORMATS["optuna"]).document
    read = {each["name"]: json_to_distribution(json.dumps(each["distribution"])) for each in document["parameters"]}
    assert read["model"].choices == (0, 1, 2)
    assert (read["rate"].low, read["rate"].log) == (1e-4, True)
    assert (read["shots"].high, read["shots"].step) == (8, 4)
    assert read["tool_0"].high == 3
    assert document["parameters"][2]["conditions"] == [{"parent": "size", "values": [0]}]


def test_documents_of_others_are_read_with_what_they_say_more() -> None:
    """Names, distributions and clauses that spaces have no words for are told or become what they mean."""
    there = {
        "hyperparameters": [
            {"type": "beta_float", "name": "Learning Rate", "lower": 0, "upper": 1, "alpha": 2, "beta": 3},
            {"type": "uniform_int", "name": "a", "lower": 1, "upper": 9, "default_value": 4},
            {"type": "ordinal", "name": "b", "sequence": [1, 2, 3], "default_value": 2},
            {"type": "constant", "name": "c", "value": "x"},
        ],
        "conditions": [
            {
                "type": "OR",
                "child": "c",
                "conditions": [
                    {"type": "GT", "child": "c", "parent": "a", "value": 5},
                    {"type": "NEQ", "child": "c", "parent": "b", "value": 1},
                ],
            },
        ],
        "forbiddens": [
            {
                "type": "AND",
                "clauses": [{"type": "EQUALS", "name": "a", "value": 1}, {"type": "IN", "name": "b", "values": [2, 3]}],
            },
            {"type": "RELATION_LT", "left": "a", "right": "b"},
        ],
    }
    space, remarks = imported(there, FORMATS["configspace"])
    assert space.names == ("learning_rate", "a", "b", "c")
    assert {each.path for each in remarks} == {"Learning Rate", "learning_rate"}
    assert [each.expression for each in space.constraints] == ["!((a == 1 && b in [2, 3]))", "!(a < b)"]
    assert space.validate({"learning_rate": 0.5, "a": 9, "b": 1, "c": "x"})["c"] == "x"
    with pytest.raises(Invalid):
        space.validate({"learning_rate": 0.5, "a": 1, "b": 2, "c": "x"})


@pytest.mark.parametrize("name", NAMES)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "parameters",
                        "hyperparameters",
                        "name",
                        "type",
                        "values",
                        "parameterId",
                        "distribution",
                        "choices",
                        "conditions",
                        "categoricalValueSpec",
                        "bounds",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_document_does_more_than_be_refused(name: str, document: Any) -> None:
    """Whatever it holds: a space, or violations with their paths."""
    try:
        imported(document, FORMATS[name])
    except Invalid as invalid:
        assert all(each.path for each in invalid.violations)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 10**400, "x", [1], {}, None, True])
def test_a_parameter_that_is_no_number_is_refused_by_its_name(name: str, odd: Any) -> None:
    """Also where numbers are rounded to the nearest that there is."""
    space = Space((IntegerVariable("n", 0, 9), FloatVariable("f", 0, 1, step=0.5)))
    there = Exported(space, FORMATS[name])
    for each in ("n", "f"):
        with pytest.raises(Invalid) as refused:
            there.decode({**there.encode({"n": 1, "f": 0.5}), each: odd})
        assert [fault.path for fault in refused.value.violations] == [f"parameters.{each}"]


@pytest.mark.parametrize("code", ["json:x", "json:NaN", "json:1e999", f"json:{10**30}", "json:" + "[" * 100_000])
def test_a_label_that_is_no_json_stands_for_nothing(code: str) -> None:
    """Whatever Python would make of it."""
    with pytest.raises(ValueError):
        choices_of(["json:1", code])


def test_a_condition_on_a_choice_of_nothing_is_refused() -> None:
    """No value of it could be meant."""
    nothing = {"name": "a", "distribution": {"name": "CategoricalDistribution", "attributes": {"choices": []}}}
    below = {"name": "IntDistribution", "attributes": {"low": 0, "high": 2}}
    document = {
        "parameters": [nothing, {"name": "b", "distribution": below, "conditions": [{"parent": "a", "values": [0]}]}]
    }
    with pytest.raises(Invalid) as refused:
        imported(document, FORMATS["optuna"])
    assert [each.path for each in refused.value.violations] == ["content.parameters[1].conditions[0].values[0]"]


def test_words_that_nothing_could_keep_are_refused() -> None:
    """Half of a surrogate pair, as JSON may escape it."""
    entry = {
        "type": "uniform_float",
        "name": "x",
        "lower": 0,
        "upper": 1,
        "log": False,
        "meta": {"description": "\ud800"},
    }
    with pytest.raises(Invalid) as refused:
        imported({"hyperparameters": [entry]}, FORMATS["configspace"])
    assert [each.path for each in refused.value.violations] == ["variables[0].description"]
