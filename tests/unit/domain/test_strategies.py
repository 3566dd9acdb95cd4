"""Strategies: pure, valid, bounded, and better than chance where there is something to learn."""

import json
import logging
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.objectives import Objective
from domain.pareto import Point, hypervolume
from domain.sampling import Unsatisfied, random_configurations
from domain.seeds import suggestion_seed
from domain.space import BooleanVariable, ChoiceVariable, Constraint, FloatVariable, IntegerVariable, Space
from domain.strategies import SAMPLER_VERSION, STRATEGIES, Exhausted, Observation, Question
from domain.strategies.history import bounded
from domain.values import canonical_json
from tests.tries import tries
from tests.unit.domain.arbitrary import conditional_spaces, spaces

SCORE = (Objective("score", "maximize"),)
TWO = (Objective("score", "maximize"), Objective("cost", "minimize"))
SPACE = Space(
    (
        FloatVariable("temperature", 0, 2, default=1.0),
        FloatVariable("rate", 1e-4, 1, log=True, default=0.1),
        FloatVariable("share", 0, 1, step=0.1, default=0.5),
        IntegerVariable("shots", 0, 64, step=4, default=0),
        IntegerVariable("tokens", 1, 4096, log=True, step=3, default=1),
        ChoiceVariable("order", (1, True, "1", None), default="1"),
        BooleanVariable("rules", default=False),
    )
)


def ask(name: str, *arguments: Any, run_seed: int = 1, budget: int = 40) -> dict[str, Any]:
    """Return the strategy's suggestion in a run of 40 trials."""
    return STRATEGIES[name].suggest(Question(*arguments, run_seed=run_seed, budget=budget))


def seen(space: Space, count: int, seed: int = 7) -> list[Observation]:
    """Return so many finished trials with made-up, reproducible scores."""
    source = random.Random(seed)
    drawn = random_configurations(space, count, seed)
    return [
        Observation(number, values, {"score": source.random(), "cost": source.random()})
        for number, values in enumerate(drawn, 1)
    ]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("objectives", [SCORE, TWO])
@settings(max_examples=tries(25), deadline=None)
@given(space=spaces(), count=st.integers(0, 14), seed=st.integers(0, 2**63 - 1))
def test_every_suggestion_is_valid(
    name: str, objectives: Sequence[Objective], space: Space, count: int, seed: int
) -> None:
    """Whatever the space and the history: what is suggested validates unchanged."""
    pending = random_configurations(space, 2, seed)
    try:
        suggestion = ask(name, space, objectives, seen(space, count), pending, count + 1, seed)
    except Exhausted:
        assume(False)
    assert repr(space.validate(suggestion)) == repr(suggestion)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@settings(max_examples=tries(40), deadline=None)
@given(space=conditional_spaces(), count=st.sampled_from([0, 3, 14]), seed=st.integers(0, 2**63 - 1))
def test_conditions_and_constraints_hold_in_every_suggestion(name: str, space: Space, count: int, seed: int) -> None:
    """Inactive variables are absent, constraints hold; an unsatisfiable space is said to be one."""
    try:
        history = seen(space, count)
        suggestion = ask(name, space, SCORE, history, [], count + 1, seed)
    except (Unsatisfied, Exhausted):
        assume(False)
    assert repr(space.validate(suggestion)) == repr(suggestion)
    assert ask(name, space, SCORE, history, [], count + 1, seed) == suggestion


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_space_that_nothing_satisfies_is_said_to_be_one(name: str) -> None:
    """In bounded time, with the constraint that stands in the way; also when it is noticed late."""
    variables = (IntegerVariable("a", 0, 5), IntegerVariable("b", 0, 5))
    space = Space(variables, (Constraint("apart", "a > b + 10.0"),))
    for count in (0, 20):
        with pytest.raises(Unsatisfied, match="apart"):
            ask(name, space, SCORE, seen(Space(variables), count), [], count + 1, 1)


def test_a_conditional_variable_is_learned_from_the_trials_that_have_it() -> None:
    """Although no trial has all variables; what is proposed has those that are active."""
    space = Space(
        (
            ChoiceVariable("model", ("tree", "line")),
            FloatVariable("depth", 0, 1, when='model == "tree"'),
            FloatVariable("slope", 0, 1, when='model == "line"'),
        )
    )

    def truth(values: Mapping[str, Any]) -> float:
        return 1 - abs(values["depth"] - 0.8) if "depth" in values else 0.9 - abs(values["slope"] - 0.2)

    rows = [
        Observation(number, values, {"score": truth(values)})
        for number, values in enumerate(random_configurations(space, 60, 2), 1)
    ]
    asked = [ask("bayesian", space, SCORE, rows, [], 61, seed) for seed in range(30)]
    depths = [each["depth"] for each in asked if "depth" in each]
    slopes = [each["slope"] for each in asked if "slope" in each]
    assert len(depths) + len(slopes) == 30
    assert len(depths) > 15
    assert sum(abs(each - 0.8) < 0.15 for each in depths) > 0.8 * len(depths)
    assert sum(abs(each - 0.2) < 0.15 for each in slopes) >= 0.8 * len(slopes)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("count", [0, 5, 40])
def test_the_same_rows_and_seed_give_the_same_suggestion(name: str, count: int) -> None:
    """Whatever was suggested in between: nothing is remembered, so there is no cache to drop and none to go stale."""
    arguments: tuple[Any, ...] = (SPACE, TWO, seen(SPACE, count), random_configurations(SPACE, 3, 1), count + 4, 99)
    first = ask(name, *arguments)
    ask(name, SPACE, SCORE, seen(SPACE, 30, seed=1), [], 31, 5)
    random.random()
    assert ask(name, *arguments) == first


def test_another_process_gives_the_same_suggestion() -> None:
    """Takeover by another worker, with another hash seed: the same rows, the same answer."""
    code = (
        "from tests.unit.domain.test_strategies import *\n"
        "print(json.dumps(ask('bayesian', SPACE, SCORE, seen(SPACE, 30), random_configurations(SPACE, 3, 1), 34, 99)))"
    )
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, check=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    here = ask("bayesian", SPACE, SCORE, seen(SPACE, 30), random_configurations(SPACE, 3, 1), 34, 99)
    assert json.loads(answer.stdout) == here


def test_rows_in_any_order_and_from_json_give_the_same_suggestion() -> None:
    """Trials finish in any order, and through a Struct every integer is a double."""
    rows = seen(SPACE, 40)
    first = ask("bayesian", SPACE, SCORE, rows, [], 41, 3)
    stored = [
        Observation(each.number, json.loads(json.dumps(each.values), parse_int=float), each.objectives)
        for each in reversed(rows)
    ]
    assert ask("bayesian", SPACE, SCORE, stored, [], 41, 3) == first


def test_seeds_and_pending_trials_matter() -> None:
    """Another seed asks elsewhere, and what is being tried is not tried again."""
    rows = seen(SPACE, 40)
    assert len({canonical_json(ask("bayesian", SPACE, SCORE, rows, [], 41, seed)) for seed in range(5)}) == 5
    pending: list[Mapping[str, Any]] = []
    for number in range(41, 49):
        pending.append(ask("bayesian", SPACE, SCORE, rows, pending, number, 3))
    assert len({canonical_json(dict(each)) for each in pending}) == 8


def test_the_defaults_are_tried_first() -> None:
    """Where every variable has one; once only, also when that trial fails or is still pending."""
    defaults = SPACE.defaults()
    assert defaults is not None
    assert ask("bayesian", SPACE, SCORE, [], [], 1, 5) == defaults
    assert ask("bayesian", SPACE, SCORE, [], [defaults], 2, 5) != defaults
    assert ask("bayesian", SPACE, SCORE, [Observation(1, defaults, None)], [], 2, 5) != defaults
    partly = Space((FloatVariable("x", 0, 1), *SPACE.variables[3:]))
    assert ask("bayesian", partly, SCORE, [], [], 1, 5) == partly.validate(ask("bayesian", partly, SCORE, [], [], 1, 5))


@pytest.mark.parametrize("objectives", [SCORE, TWO])
def test_a_small_space_is_covered_rather_than_repeated(objectives: Sequence[Objective]) -> None:
    """16 trials find all 16 configurations, however much better some are; then the best promise is repeated."""
    space = Space(tuple(BooleanVariable(f"b{index}") for index in range(4)))
    rows: list[Observation] = []
    for number in range(1, 19):
        values = ask("bayesian", space, objectives, rows, [], number, suggestion_seed(1, number))
        rows.append(Observation(number, values, {"score": float(sum(values.values())), "cost": 1.0}))
    assert len({canonical_json(dict(each.values)) for each in rows[:16]}) == 16


def test_parallel_trials_share_a_small_space() -> None:
    """What is being tried counts as tried: 8 at a time, 16 configurations, no repetition."""
    space = Space(tuple(BooleanVariable(f"b{index}") for index in range(4)))
    rows: list[Observation] = []
    for batch in (1, 9):
        pending: list[Mapping[str, Any]] = []
        for number in range(batch, batch + 8):
            pending.append(ask("bayesian", space, SCORE, rows, pending, number, suggestion_seed(1, number)))
        rows += [Observation(batch + n, each, {"score": float(sum(each.values()))}) for n, each in enumerate(pending)]
    assert len({canonical_json(dict(each.values)) for each in rows}) == 16


def test_a_space_of_one_point_still_answers() -> None:
    """After every point was tried there is nothing but repeating."""
    for space in (Space(()), Space((ChoiceVariable("c", ("only",)), FloatVariable("x", 0.5, 0.5)))):
        rows = seen(space, 12)
        assert ask("bayesian", space, SCORE, rows, [], 13, 1) == rows[0].values


def test_a_custom_default_is_learned_from_like_a_choice() -> None:
    """It is tried first, and may be the best; the custom choice of somebody else's trial is left out."""
    space = Space((ChoiceVariable("c", ("a", "b"), default="own", allow_custom=True), FloatVariable("x", 0, 1)))
    values = [{"c": "own" if number % 2 else "a", "x": number / 40} for number in range(40)]
    rows = [Observation(n, each, {"score": float(each["c"] == "own")}) for n, each in enumerate(values, 1)]
    asked = [ask("bayesian", space, SCORE, rows, [], 41, seed)["c"] for seed in range(10)]
    assert asked.count("own") >= 8
    foreign = [Observation(41, {"c": "another", "x": 0.5}, {"score": 0.0})]
    again = [ask("bayesian", space, SCORE, rows + foreign, [], 42, seed)["c"] for seed in range(10)]
    assert again == asked


def test_neighbours_in_an_ordered_choice_are_taken_for_alike() -> None:
    """What was never tried but lies among good ones is asked for; without an order there is no among."""
    names = tuple(f"c{index:02}" for index in range(40))
    tried = [index for index in range(40) if index not in range(20, 24)] * 2

    def asked(ordered: bool) -> int:
        space = Space((ChoiceVariable("c", names, ordered=ordered), FloatVariable("x", 0, 1)))
        rows = [
            Observation(number, {"c": names[index], "x": number / 80}, {"score": -abs(index - 21.5)})
            for number, index in enumerate(tried, 1)
        ]
        answers = [ask("bayesian", space, SCORE, rows, [], 81, seed)["c"] for seed in range(20)]
        return sum(each in names[20:24] for each in answers)

    assert asked(ordered=True) > asked(ordered=False) + 5


def test_failed_trials_do_not_inform() -> None:
    """A failure has no score; it is neither the best nor the worst."""
    rows = seen(SPACE, 30)
    failed = [Observation(31 + index, values, None) for index, values in enumerate(random_configurations(SPACE, 5, 3))]
    nan = [Observation(36, SPACE.defaults() or {}, {"score": float("nan"), "cost": 0.0})]
    assert ask("bayesian", SPACE, TWO, rows + failed + nan, [], 37, 8) == ask("bayesian", SPACE, TWO, rows, [], 37, 8)


def test_the_history_is_bounded_by_the_best_and_a_sample_of_the_rest() -> None:
    """1,000 of any number, in their order: the 250 best, and of the rest one of every three neighbours in rank."""
    rows = seen(SPACE, 2500)
    kept = bounded(rows, SCORE, 1)
    assert len(kept) == 1000
    assert [each.number for each in kept] == sorted(each.number for each in kept)
    ranked = [each.number for each in sorted(rows, key=lambda each: -(each.objectives or {})["score"])]
    places = sorted(ranked.index(each.number) for each in kept)
    assert places[:250] == list(range(250))
    assert [(place - 250) // 3 for place in places[250:]] == list(range(750))
    assert bounded(rows, SCORE, 1) == kept != bounded(rows, SCORE, 2)
    assert bounded(rows[:1000], SCORE, 1) == rows[:1000]


def test_the_sample_of_a_long_history_hardly_changes_with_one_more_trial() -> None:
    """Lots belong to trials: a stratum that is cut a little elsewhere mostly chooses the same."""
    rows = seen(SPACE, 4000)
    before, after = ({each.number for each in bounded(rows[:count], SCORE, 1)} for count in (3999, 4000))
    assert len(before & after) > 700


def test_the_bounded_history_keeps_the_pareto_front() -> None:
    """With several objectives the front goes before the first objective's best."""
    rows = [Observation(number, {}, {"score": number / 4000, "cost": 1.0}) for number in range(2, 3001)]
    cheap = Observation(1, {}, {"score": 0.0, "cost": 0.0})
    assert cheap in bounded([cheap, *rows], TWO, 1)


def test_the_bounded_history_keeps_what_is_feasible() -> None:
    """An infeasible trial teaches less than any feasible one, however good its first objective."""
    bound = (Objective("score", "maximize"), Objective("cost", "minimize", threshold=1))
    rows = [Observation(number, {}, {"score": float(number), "cost": 2.0}) for number in range(2, 3001)]
    feasible = Observation(1, {}, {"score": 0.0, "cost": 1.0})
    assert feasible in bounded([feasible, *rows], bound, 1)
    assert feasible in bounded([feasible, *rows], (bound[1],), 1)


def test_thresholds_steer_the_estimator() -> None:
    """What is cheap enough is asked for, although everything dearer scores better; without a threshold it is not."""
    space = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1)))
    rows = [
        Observation(number, values, {"score": values["x"], "cost": values["x"]})
        for number, values in enumerate(random_configurations(space, 60, 4), 1)
    ]
    free = (Objective("score", "maximize"),)
    bound = (Objective("score", "maximize"), Objective("cost", "minimize", threshold=0.3))

    def asked(objectives: Sequence[Objective]) -> list[float]:
        return [ask("bayesian", space, objectives, rows, [], 61, seed)["x"] for seed in range(20)]

    assert sum(x <= 0.3 for x in asked(bound)) >= 15
    assert sum(x <= 0.3 for x in asked(free)) <= 2


@pytest.mark.parametrize("objectives", [SCORE, TWO])
def test_the_estimator_keeps_away_from_pending_trials(objectives: Sequence[Objective]) -> None:
    """With one objective and with several: the same draws, and yet other answers, farther away."""
    space = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1)))
    rows = seen(space, 30)
    moved = []
    for seed in range(20):
        alone = ask("bayesian", space, objectives, rows, [], 31, seed)
        beside = ask("bayesian", space, objectives, rows, [alone] * 4, 32, seed)
        moved.append(abs(beside["x"] - alone["x"]) + abs(beside["y"] - alone["y"]))
    assert sum(each > 0.01 for each in moved) >= 15


def climbed(name: str, objective: Objective, truth: Callable[[Mapping[str, Any]], float], seed: int) -> float:
    """Return the best that a run of 40 trials reaches."""
    rows: list[Observation] = []
    for number in range(1, 41):
        values = ask(name, HILL, (objective,), rows, [], number, suggestion_seed(seed, number))
        rows.append(Observation(number, values, {objective.name: truth(values)}))
    scores = [(each.objectives or {})[objective.name] for each in rows]
    return max(scores) if objective.direction == "maximize" else -min(scores)


HILL = Space(
    (
        FloatVariable("x", -5, 5),
        FloatVariable("y", -5, 5),
        IntegerVariable("k", 0, 20),
        ChoiceVariable("c", ("a", "b", "c")),
    )
)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_bayesian_strategy_beats_the_random_one(direction: Any) -> None:
    """On a hill with one top, over ten fixed seeds, in both directions: deterministic, so no luck is involved."""
    sign = 1 if direction == "maximize" else -1

    def truth(values: Mapping[str, Any]) -> float:
        distance = (values["x"] - 1) ** 2 + (values["y"] + 2) ** 2 + ((values["k"] - 15) / 4) ** 2
        return float(sign * -(distance + (0 if values["c"] == "b" else 3)))

    objective = Objective("score", direction)
    learned = [climbed("bayesian", objective, truth, seed) for seed in range(10)]
    chance = [climbed("random", objective, truth, seed) for seed in range(10)]
    assert sum(learned) > sum(chance)
    assert sum(a > b for a, b in zip(learned, chance, strict=True)) >= 7


def dominated(name: str, seed: int) -> float:
    """Return the hypervolume that a run of 40 trials reaches between two hills."""
    objectives = (Objective("near", reference=-60), Objective("far", "minimize", reference=60))
    rows: list[Observation] = []
    for number in range(1, 41):
        values = ask(name, HILL, objectives, rows, [], number, suggestion_seed(seed, number), run_seed=seed)
        near, far = (
            (values["x"] - x) ** 2 + (values["y"] + 2) ** 2 + ((values["k"] - k) / 4) ** 2 + 3 * (values["c"] != "b")
            for x, k in ((1, 15), (-1, 5))
        )
        rows.append(Observation(number, values, {"near": -near, "far": far}))
    found = hypervolume([Point(each.number, each.objectives or {}) for each in rows], objectives)
    return found.value if found else 0.0


def test_the_bayesian_strategy_beats_the_random_one_with_two_objectives() -> None:
    """By the hypervolume of its front, over eight fixed seeds, in both directions at once."""
    learned = [dominated("bayesian", seed) for seed in range(8)]
    chance = [dominated("random", seed) for seed in range(8)]
    assert sum(learned) > sum(chance)
    assert sum(a > b for a, b in zip(learned, chance, strict=True)) >= 6


def test_the_sampler_version_names_what_must_not_change() -> None:
    """A stored suggestion is replayed only with the same versions."""
    assert "optuna-" in SAMPLER_VERSION
    assert "numpy-" in SAMPLER_VERSION
    assert "scipy-" in SAMPLER_VERSION


def test_optuna_and_scipy_are_imported_only_when_they_are_needed() -> None:
    """A process that only validates or draws does not pay for them."""
    modules = "domain.strategies, domain.space, domain.metrics"
    code = f"import sys, {modules}; sys.exit(bool({{'optuna', 'scipy'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_optuna_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """Only its own verbosity is turned down; Python's root logger is left alone."""
    level = logging.getLogger().level
    ask("bayesian", SPACE, SCORE, seen(SPACE, 20), [], 21, 1)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().level == level
