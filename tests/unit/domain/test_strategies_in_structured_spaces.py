"""Strategies where variables are made of others: groups, hybrids, branches, computed values."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.leaves import found, leaves, made
from domain.objectives import Objective
from domain.sampling import random_configurations
from domain.seeds import suggestion_seed
from domain.space import (
    ChoiceVariable,
    ComputedVariable,
    ConditionalVariable,
    Constraint,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
)
from domain.strategies import STRATEGIES, Observation, Question, refusal
from tests.tries import tries

SCORE = (Objective("score"),)
SPACE = Space(
    (
        ChoiceVariable("model", ("tree", "line"), default="tree"),
        ConditionalVariable("rate", 'model == "tree"', IntegerVariable("rate", 1, 8), FloatVariable("rate", 0, 1)),
        HybridVariable(
            "tool", (HybridBranch("none", FloatVariable("n", 0, 0)), HybridBranch("search", IntegerVariable("n", 1, 9)))
        ),
        GroupVariable(
            "prompt",
            (
                IntegerVariable("shots", 0, 8),
                ChoiceVariable("order", ("near", "far"), when="shots > 0"),
                ComputedVariable("tokens", "shots * 100"),
            ),
            when='tool.choice == "search"',
        ),
        ComputedVariable("double", "tool.number * 2"),
    ),
    (Constraint("small", "double <= 16"),),
)
SEEDS = st.integers(0, 2**63 - 1)


def seen(space: Space, count: int) -> list[Observation]:
    """Return so many trials with made-up scores."""
    drawn = random_configurations(space, count, 3)
    return [Observation(n, each, {"score": float(n * 7 % 11)}) for n, each in enumerate(drawn, 1)]


@given(SEEDS)
def test_a_configuration_is_its_leaves(seed: int) -> None:
    """Taken apart and made again it is the same; every leaf that it has is one of the space's."""
    for values in random_configurations(SPACE, 5, seed):
        parts = dict(found(SPACE, values))
        assert made(SPACE, parts.__getitem__) == values
        assert parts.keys() <= {each.key for each in leaves(SPACE)}


def test_leaves_are_named_by_their_paths_and_know_what_they_depend_on() -> None:
    """Those under one condition are present together."""
    assert {each.key: each.condition for each in leaves(SPACE)} == {
        "model": "",
        "rate.then": ";rate.then",
        "rate.otherwise": ";rate.otherwise",
        "tool.choice": "",
        "tool.0": ";tool.0",
        "tool.1": ";tool.1",
        "prompt.shots": ';tool.choice == "search"',
        "prompt.order": ';tool.choice == "search";prompt.shots > 0',
    }


@pytest.mark.parametrize("name", sorted(name for name in STRATEGIES if not refusal(name, SPACE, SCORE)))
@settings(max_examples=tries(20), deadline=None)
@given(count=st.sampled_from([0, 4, 25]), seed=SEEDS)
@example(count=25, seed=9_356_825_028_334_336)  # a value of one branch that fits the other, where it is written 1.0
def test_every_suggestion_is_valid(name: str, count: int, seed: int) -> None:
    """Whichever strategy can search such a space; and the same arguments give the same answer."""
    arguments = (SPACE, SCORE, seen(SPACE, count), [], count + 1, seed)
    suggestion = STRATEGIES[name].suggest(Question(*arguments, run_seed=seed, budget=40))
    assert repr(SPACE.validate(without_computed(suggestion))) == repr(suggestion)
    assert STRATEGIES[name].suggest(Question(*arguments, run_seed=seed, budget=40)) == suggestion


def test_the_estimator_learns_what_lies_inside() -> None:
    """The branch, the hybrid's number and the group's field that score are found: twice as good as chance."""

    def truth(values: Mapping[str, Any]) -> float:
        near = 1 - abs(values["tool"]["number"] - 6) / 6 if values["tool"]["choice"] == "search" else 0.0
        shots = values.get("prompt", {}).get("shots", 0) / 8
        return near + shots + (1 - abs(values["rate"] - 0.3) if values["model"] == "line" else 0.0)

    def reached(name: str, seed: int) -> float:
        rows: list[Observation] = []
        for number in range(1, 41):
            values = STRATEGIES[name].suggest(
                Question(SPACE, SCORE, rows, [], number, suggestion_seed(seed, number), run_seed=seed, budget=40)
            )
            rows.append(Observation(number, values, {"score": truth(values)}))
        return sum((each.objectives or {})["score"] for each in rows[20:]) / 20

    learned = [reached("bayesian", seed) for seed in range(4)]
    chance = [reached("random", seed) for seed in range(4)]
    assert min(learned) > 1.5 * max(chance)


def without_computed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a caller may give: computed values are filled in."""
    given = {name: value for name, value in values.items() if name != "double"}
    if "prompt" in given:
        given["prompt"] = {name: value for name, value in given["prompt"].items() if name != "tokens"}
    return given
