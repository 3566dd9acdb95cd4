"""Prompt variables: the rule is fixed, the list is not; values are known by the hash of what they say."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.generation import Wanted, generate
from domain.moving import perturbed
from domain.prompt_values import UNCHANGED, PromptValue, is_reference, tokens
from domain.sampling import random_configurations
from domain.seeds import Draw
from domain.space import (
    BooleanVariable,
    Constraint,
    DemoSetVariable,
    GroupVariable,
    InstructionVariable,
    Segment,
    Space,
)
from domain.values import Invalid
from tests.unit.domain.arbitrary import JSON

SHOTS = [{"inputs": {"q": str(index)}, "outputs": {"a": "x"}} for index in range(3)]


def said(text: str) -> PromptValue:
    """An instruction."""
    return PromptValue.of("instruction", {"text": text})


def shown(count: int = 2, **fields: Any) -> PromptValue:
    """A demo set."""
    content = {"dataset_id": "d", "dataset_revision": 2, "split": "train", "demonstrations": SHOTS[:count]}
    return PromptValue.of("demo_set", content | fields)


def pool(*values: PromptValue) -> dict[str, PromptValue]:
    """Values by reference."""
    return {each.reference: each for each in values}


MAIN = InstructionVariable(
    "prompt",
    slot="main",
    token_limit=20,
    placeholders=("question",),
    segments=(Segment("Be kind."), Segment("Hm", True)),
)
SHOW = DemoSetVariable("show", slot="main", dataset_id="d", dataset_revision=2, max_demonstrations=2)
SPACE = Space((MAIN, SHOW, BooleanVariable("cite", default=True)))
GOOD = said("Be kind. Answer {question}.")


def codes(space: Space, **values: Any) -> set[tuple[str, str]]:
    """Return the paths and codes of what is wrong with values."""
    with pytest.raises(Invalid) as refusal:
        space.validate(values)
    return {(each.path, each.code) for each in refusal.value.violations}


def test_what_the_program_says_itself_is_the_default() -> None:
    """A space knows no pool, and judges the form of references only."""
    assert SPACE.validate({}) == {"prompt": UNCHANGED, "show": UNCHANGED, "cite": True}
    assert SPACE.validate({"prompt": GOOD.reference})["prompt"] == GOOD.reference
    for wrong in ("sha256:12", "Answer {question}.", 3, None, "sha256:" + "G" * 64):
        assert codes(SPACE, prompt=wrong) == {("values.prompt", "NOT_A_CHOICE")}


def test_a_space_with_a_pool_judges_what_the_values_say() -> None:
    """Existence, kind, token limit, placeholders and frozen segments."""
    bad = [said("Be kind."), said("{question}"), said("x" * 70 + "Be kind. {question}"), shown()]
    offered = SPACE.offering(pool(GOOD, *bad))
    assert offered.validate({"prompt": GOOD.reference})["prompt"] == GOOD.reference
    found = [codes(offered, prompt=each.reference) for each in (*bad, said("never kept"))]
    assert [{code for _, code in each} for each in found] == [
        {"PLACEHOLDER"},
        {"FROZEN"},
        {"TOO_LARGE"},
        {"WRONG_TYPE"},
        {"UNKNOWN_REFERENCE"},
    ]


def test_demonstrations_come_from_one_dataset_and_revision_and_are_no_more_than_allowed() -> None:
    """An earlier revision holds nothing that the later one does not."""
    other, later, many = shown(dataset_id="e"), shown(dataset_revision=3), shown(3)
    fitting = shown(1, dataset_revision=1)
    offered = SPACE.offering(pool(other, later, many, fitting))
    assert offered.validate({"show": fitting.reference})["show"] == fitting.reference
    assert [code for each in (other, later, many) for _, code in codes(offered, show=each.reference)] == [
        "INCOMPATIBLE",
        "INCOMPATIBLE",
        "OUT_OF_RANGE",
    ]


@pytest.mark.parametrize(
    ("kind", "content", "paths"),
    [
        ("instruction", {"text": ""}, {"content.text"}),
        ("instruction", {"txt": "x"}, {"content.text", "content.txt"}),
        ("instruction", "x", {"content"}),
        ("instruction", {"text": "a\0b"}, {"content.text"}),
        ("demo_set", {"dataset_id": "d"}, {f"content.{n}" for n in ("dataset_revision", "split", "demonstrations")}),
        (
            "demo_set",
            {"split": "test", "demonstrations": [1]},
            {"content.dataset_id", "content.dataset_revision", "content.split", "content.demonstrations[0]"},
        ),
    ],
)
def test_a_value_of_another_form_is_refused(kind: Any, content: Any, paths: set[str]) -> None:
    """With every path."""
    with pytest.raises(Invalid) as refusal:
        PromptValue.of(kind, content)
    assert {each.path for each in refusal.value.violations} == paths


def test_demonstrations_are_of_the_training_split() -> None:
    """What is shown is never what is judged by."""
    for split in ("validation", "test", None):
        with pytest.raises(Invalid, match="must be train"):
            shown(split=split)
    with pytest.raises(Invalid, match=r"demonstrations\[0\]"):
        shown(demonstrations=[{"inputs": {}}])


def test_references_are_equal_for_equal_content_only() -> None:
    """Whatever the order of keys; a kind is part of what is said."""
    assert said("a").reference == PromptValue.of("instruction", json.loads('{"text": "a"}')).reference
    assert said("a").reference != said("b").reference
    assert is_reference(said("a").reference) and shown().reference == shown(dataset_revision=2.0).reference


def test_tokens_are_four_bytes_each() -> None:
    """Begun ones whole; letters beyond ASCII take more."""
    assert [tokens(text) for text in ("", "a", "abcd", "abcde", "ä" * 4)] == [0, 1, 1, 2, 2]


@given(st.integers(0, 1000), st.lists(st.text(st.characters(codec="ascii", min_codepoint=32), max_size=9), max_size=5))
def test_draws_come_from_what_the_pool_holds_and_the_rule_allows(seed: int, texts: list[str]) -> None:
    """And are valid; the same pool gives the same draws, and values that break the rule are never drawn."""
    space = Space((replace(MAIN, token_limit=0), BooleanVariable("cite")))
    values = [said(f"Be kind.{text}{{question}}") for text in texts]
    offered = space.offering(pool(*values, said("no placeholder")))
    drawn = random_configurations(offered, 20, seed)
    assert drawn == random_configurations(space.offering(pool(*values, said("no placeholder"))), 20, seed)
    assert {each["prompt"] for each in drawn} <= {UNCHANGED, *(each.reference for each in values)}
    assert all(offered.validate(each) == each for each in drawn)
    moved = perturbed(offered, drawn[0], Draw(seed), 0.5)
    assert offered.validate(moved) == moved != drawn[0]


VALUES = JSON | st.sampled_from([UNCHANGED, GOOD.reference, "sha256:" + "0" * 64])


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SPACE.names, VALUES)), st.booleans())
def test_whatever_is_given_is_refused_or_accepted_as_it_is(values: Any, with_pool: bool) -> None:
    """Never a crash; what is accepted is accepted again."""
    space = SPACE.offering(pool(GOOD)) if with_pool else SPACE
    try:
        accepted = space.validate(values)
    except Invalid:
        return
    assert space.validate(accepted) == accepted
    assert all(each == UNCHANGED or is_reference(each) for each in (accepted["prompt"], accepted["show"]))


@pytest.mark.parametrize("strategy", ["random", "sobol", "latin_hypercube", "grid", "default", "perturb", "crossover"])
def test_every_strategy_draws_from_the_pool(strategy: str) -> None:
    """Without one, the program's own words only."""
    wanted = Wanted(8, total=8, around=[{}, {"prompt": GOOD.reference}])
    offered = generate(SPACE.offering(pool(GOOD, shown())), strategy, wanted).configurations
    assert strategy == "default" or GOOD.reference in {each["prompt"] for each in offered}
    alone = generate(SPACE, strategy, Wanted(4, total=4, around=[{}, {"cite": False}])).configurations
    assert {each["prompt"] for each in alone} == {UNCHANGED}


def test_a_frozen_slot_stays_what_its_default_is() -> None:
    """Its size is one; a text that is given is refused."""
    space = Space((replace(MAIN, mutable=False, default=GOOD.reference),))
    assert space.size().discrete_cardinality == 1 and not space.size().is_infinite
    assert space.validate({}) == {"prompt": GOOD.reference}
    assert codes(space, prompt=UNCHANGED) == codes(space, prompt=said("{question}").reference)
    assert codes(space, prompt=UNCHANGED) == {("values.prompt", "FROZEN")}


def test_a_prompt_that_may_change_makes_the_space_open() -> None:
    """Infinite, and told apart from other reasons for it."""
    size = SPACE.size()
    assert (size.is_infinite, size.open_dimensions, size.discrete_cardinality) == (True, 2, 2)


def test_slots_that_a_program_lacks_are_inactive() -> None:
    """Absent from draws and configurations; constraints that read them hold by themselves."""
    space = Space((*SPACE.variables, replace(MAIN, name="critic", slot="critic")), (Constraint("c", "critic != 'x'"),))
    known = space.within(["main"])
    assert "critic" in space.validate({}) and "critic" not in known.validate({})
    assert codes(known, critic=UNCHANGED) == {("values.critic", "INACTIVE")}
    assert all("critic" not in each for each in random_configurations(known, 5, 1))
    assert set(space.within([]).validate({})) == {"cite"}
    assert set(known.offering({}).validate({})) == {"prompt", "show", "cite"}


def test_conditions_read_what_is_said() -> None:
    """As text."""
    space = Space((MAIN, BooleanVariable("own", default=True, when="prompt == 'unchanged'")))
    assert space.validate({}) == {"prompt": UNCHANGED, "own": True}
    assert space.validate({"prompt": GOOD.reference}) == {"prompt": GOOD.reference}


def test_the_json_form_keeps_it_all() -> None:
    """Also when every number is a double; the pool is not part of it."""
    text = json.dumps(SPACE.offering(pool(GOOD)).to_json())
    assert Space.from_json(json.loads(text, parse_int=float)) == SPACE
    assert Space.from_json(json.loads(text)).content_hash == SPACE.content_hash


@pytest.mark.parametrize(
    ("variable", "paths"),
    [
        (replace(MAIN, slot="A b"), ["instruction.slot"]),
        (replace(MAIN, token_limit=-1), ["instruction.token_limit"]),
        (replace(MAIN, placeholders=("{x}",)), ["instruction.placeholders[0]"]),
        (replace(MAIN, segments=(Segment(""),)), ["instruction.segments[0].text"]),
        (replace(MAIN, default="hello"), ["default"]),
        (replace(SHOW, dataset_id="", dataset_revision=0), ["demo_set.dataset_id", "demo_set.dataset_revision"]),
        (replace(SHOW, max_demonstrations=0), ["demo_set.max_demonstrations"]),
        (GroupVariable("g", (MAIN,)), ["group.variables[0].instruction"]),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_its_field(variable: Any, paths: list[str]) -> None:
    """Prompts stand at the top of a space."""
    with pytest.raises(Invalid) as refusal:
        Space((variable,))
    assert [each.path for each in refusal.value.violations] == [f"variables[0].{path}" for path in paths]


def test_a_slot_has_one_instruction_and_one_demo_set() -> None:
    """Two would say two things at once."""
    with pytest.raises(Invalid, match=r"variables\[1\].instruction.slot"):
        Space((MAIN, replace(MAIN, name="again"), SHOW))
