"""Importance: what matters is told, with how sure that is, and nothing is said of too few trials."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.importance import Importance, TooFew, importance, least_trials
from domain.objectives import Objective
from domain.sampling import random_configurations
from domain.seeds import Draw
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ConditionalVariable,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
)
from tests.tries import tries
from tests.unit.domain.arbitrary import structured_spaces

METHODS = ("ped_anova", "fanova")
MORE, LESS = Objective("score"), Objective("score", "minimize")
SPACE = Space(
    (
        FloatVariable("strong", 0, 1),
        ChoiceVariable("weak", ("a", "b", "c")),
        FloatVariable("log", 1e-4, 1, log=True),
        IntegerVariable("nothing", 0, 1000),
        ChoiceVariable("many", tuple(range(60))),
        BooleanVariable("flag"),
    )
)


def trials(space: Space, score: Callable[[Mapping[str, Any]], float], count: int = 300, seed: int = 1) -> list[Any]:
    """Return random configurations with what they reach, a little noise added."""
    noise = Draw(seed, "noise")
    return [(each, score(each) + 0.05 * noise.unit()) for each in random_configurations(space, count, seed)]


def strong(values: Mapping[str, Any]) -> float:
    """Return a score that depends on one variable much, on another a little."""
    return float(3 * values["strong"] + 0.5 * (values["weak"] == "b"))


def shares(found: Importance) -> dict[str, float]:
    """Return the main effects by key."""
    return {each.key: each.estimate.share for each in found.effects}


@pytest.mark.parametrize("method", METHODS)
def test_what_matters_most_comes_first_and_the_rest_is_small(method: Any) -> None:
    """Many choices do not matter by being many; every share has its interval, and they add up to one at most."""
    found = importance(SPACE, trials(SPACE, strong), MORE, method)
    assert [each.key for each in found.effects][:2] == ["strong", "weak"]
    rest = [share for key, share in shares(found).items() if key not in ("strong", "weak")]
    assert max(rest) < 0.1
    assert math.fsum(shares(found).values()) <= 1 + 1e-9
    assert all(0 <= each.estimate.low <= each.estimate.share <= each.estimate.high <= 1 for each in found.effects)
    assert (found.trials, found.excluded, found.resamples) == (300, 0, 100 if method == "ped_anova" else 32)


@pytest.mark.parametrize("method", METHODS)
def test_the_direction_orients_the_objective(method: Any) -> None:
    """Less of the negative is more: the same shares and regions; with the other direction the region moves."""
    rows = trials(SPACE, strong)
    turned = [(values, -score) for values, score in rows]
    up, down = importance(SPACE, rows, MORE, method), importance(SPACE, turned, LESS, method)
    assert shares(up) == pytest.approx(shares(down), abs=0.02)
    assert {each.key: each.region for each in up.effects} == {each.key: each.region for each in down.effects}
    assert up.effects[0].region[0] > 0.5
    assert importance(SPACE, rows, LESS, method).effects[0].region[1] < 0.5


def test_a_curve_says_what_values_reach_in_the_objectives_own_units() -> None:
    """Averaged over all others, ready to plot."""
    curve = importance(SPACE, trials(SPACE, strong), MORE).effects[0].curve
    assert [each.value for each in curve] == sorted(each.value for each in curve)
    assert curve[-1].mean - curve[0].mean == pytest.approx(3, abs=0.6)
    assert all(each.low <= each.high for each in curve)


def test_trials_without_a_result_do_not_count() -> None:
    """Neither pruned ones nor failures, whatever value might be imputed; the answer says how many there were."""
    rows = trials(SPACE, strong)
    more = [*rows, *((values, None) for values, _ in rows[:50]), (rows[0][0], math.nan), (rows[0][0], math.inf)]
    with_failures = importance(SPACE, more, MORE)
    assert (with_failures.trials, with_failures.excluded) == (300, 52)
    assert shares(with_failures) == shares(importance(SPACE, rows, MORE))


def test_nothing_is_said_of_too_few_trials() -> None:
    """The refusal says how many there are, and how many there must be."""
    rows = trials(SPACE, strong, count=19)
    with pytest.raises(TooFew) as refused:
        importance(SPACE, [*rows, *[(rows[0][0], None)] * 50], MORE)
    assert (refused.value.count, refused.value.least) == (19, least_trials(SPACE))
    assert least_trials(Space(tuple(BooleanVariable(f"b{index}") for index in range(30)))) == 60


@pytest.mark.parametrize("method", METHODS)
def test_where_all_trials_are_alike_nothing_matters(method: Any) -> None:
    """No division by nothing."""
    rows = [(values, 1.0) for values, _ in trials(SPACE, strong, count=60)]
    assert set(shares(importance(SPACE, rows, MORE, method)).values()) == {0.0}


def test_pairs_tell_what_only_both_together_explain() -> None:
    """An exclusive or: neither matters alone."""
    space = Space((BooleanVariable("a"), BooleanVariable("b"), BooleanVariable("c")))
    rows = trials(space, lambda values: float(values["a"] != values["b"]))
    found = importance(space, rows, MORE, "fanova", pairs=True)
    assert found.interactions[0].keys == ("a", "b")
    assert found.interactions[0].estimate.share > 0.8
    assert importance(space, rows, MORE, "fanova").interactions == ()


def test_variables_inside_others_have_effects_of_their_own() -> None:
    """By their paths, by the trials that have them."""
    space = Space(
        (
            BooleanVariable("on"),
            GroupVariable("g", (FloatVariable("x", 0, 1), IntegerVariable("n", 0, 3))),
            HybridVariable(
                "h",
                (HybridBranch("p", FloatVariable("number", 0, 1)), HybridBranch("q", IntegerVariable("number", 0, 9))),
            ),
            ConditionalVariable("c", "on", BooleanVariable("c"), FloatVariable("c", 0, 1)),
        )
    )
    rows = trials(space, lambda values: 2 * values["g"]["x"] + (values["h"]["choice"] == "p"), count=400)
    found = importance(space, rows, MORE)
    assert {each.key for each in found.effects} == {
        "on",
        "g.x",
        "g.n",
        "h.choice",
        "h.0",
        "h.1",
        "c.then",
        "c.otherwise",
    }
    assert {each.key for each in found.effects[:2]} == {"g.x", "h.choice"}
    by_key = {each.key: each for each in found.effects}
    assert by_key["h.0"].trials + by_key["h.1"].trials == 400
    assert by_key["h.choice"].region == ("p",)


@settings(max_examples=tries(30), deadline=None)
@given(structured_spaces(with_constraints=False), st.integers(0, 99), st.sampled_from(METHODS))
def test_the_same_trials_give_the_same_answer_of_whatever_space(space: Space, seed: int, method: Any) -> None:
    """Finite numbers, whatever the kinds of variables."""
    rows = [(space.draw(Draw(seed, index)), float(Draw(index).unit())) for index in range(least_trials(space))]
    found = importance(space, rows, MORE, method, pairs=True, seed=seed)
    assert found == importance(space, rows, MORE, method, pairs=True, seed=seed)
    assert all(math.isfinite(point.mean) for each in found.effects for point in each.curve)
    assert all(0 <= each.estimate.share <= 1 for each in (*found.effects, *found.interactions))
