"""Sets of demonstrations: drawn alike from the same seed, without repetition, and tried one after the other."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bootstrapping import demonstration_sets, fitting_values, teaching
from domain.objectives import Objective
from domain.prompt_values import UNCHANGED, PromptValue
from domain.space import DemoSetVariable, FloatVariable, Space
from domain.strategies import Exhausted, Observation, Question, refusal, strategy
from domain.values import Violation

AIMS = (Objective("score"),)
SHOWN = DemoSetVariable("shown", slot="main", dataset_id="d", dataset_revision=1, max_demonstrations=8)
SPACE = Space((FloatVariable("heat", 0, 1, default=0.5), SHOWN))


def shown(count: int, kind: str) -> list[dict[str, Any]]:
    """Return so many demonstrations; those of one number are of one example, whatever their kind."""
    return [{"example_id": str(n), "inputs": {"text": str(n)}, "outputs": {"said": kind}} for n in range(count)]


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**63), st.integers(1, 9), st.integers(1, 9))
def test_sets_are_what_they_promise(traces: int, labeled: int, seed: int, most: int, bootstrapped: int) -> None:
    """Bounded, each example once, the program's own answers first; the first ones of any longer list."""
    arguments = shown(traces, "own"), shown(labeled, "given"), seed, most, bootstrapped
    drawn = list(islice(demonstration_sets(*arguments), 20))
    assert list(islice(demonstration_sets(*arguments), 10)) == drawn[:10]
    assert len(drawn) == (20 if traces or labeled else 0)
    for each in drawn:
        kinds = [one["outputs"]["said"] for one in each]
        assert 1 <= len(each) == len({one["example_id"] for one in each}) <= most
        assert kinds == sorted(kinds, reverse=True) and kinds.count("own") <= min(bootstrapped, traces)
    if traces:
        own = [[one for one in each if one["outputs"]["said"] == "own"] for each in drawn]
        assert own[0 if not labeled else 1] == shown(traces, "own")[: min(most, bootstrapped)]
        assert all(own[2:]) and (not labeled or not own[0])


@given(st.integers(0, 40), st.integers(0, 2**63), st.integers(1, 20))
def test_no_more_than_half_of_the_examples_teach(count: int, seed: int, most: int) -> None:
    """Whose own answers would be none."""
    taught = [each["example_id"] for each in teaching(shown(count, "given"), seed, most)]
    assert len(taught) == len(set(taught)) == min(most, count // 2)


ORIGIN = {"dataset_id": "d", "dataset_revision": 1, "split": "train"}


def test_a_set_is_shortened_until_a_variable_takes_it_and_comes_once() -> None:
    """The last demonstrations go first; what is then the same as another, or nobody's, is left out."""
    drawn = [shown(9, "own"), shown(8, "own"), shown(2, "own"), []]
    short = DemoSetVariable("short", slot="main", dataset_id="d", dataset_revision=1, max_demonstrations=3)
    values = list(fitting_values([short, SHOWN], drawn, ORIGIN))
    assert [list(each.demonstrations) for each in values] == [shown(8, "own"), shown(2, "own")]
    elsewhere = DemoSetVariable("other", slot="main", dataset_id="e", dataset_revision=1)
    assert list(fitting_values([elsewhere], drawn, ORIGIN)) == []


def offering(count: int) -> tuple[Space, list[str]]:
    """Return the space with so many sets, and their references in order."""
    sets = [PromptValue.of("demo_set", {**ORIGIN, "demonstrations": shown(size + 1, "given")}) for size in range(count)]
    return SPACE.offering({each.reference: each for each in sets}), [each.reference for each in sets]


def ask(space: Space, tried: list[dict[str, Any]], pending: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what comes after these."""
    rows = [Observation(number, values, {"score": 0.1}) for number, values in enumerate(tried, 1)]
    chosen = strategy("bootstrap_random_search", {"max_bootstrapped": 2, "accept": 1.0})
    return chosen.suggest(Question(space, AIMS, rows, pending, len(tried) + 1, 7, 1, 40))


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 300))
def test_a_set_keeps_as_many_of_its_first_as_the_rules_leave(lengths: list[int], limit: int) -> None:
    """And is looked at a few times, not once for each of its demonstrations: 256 of them may be a megabyte."""
    variable = DemoSetVariable("v", slot="main", dataset_id="d", dataset_revision=1, token_limit=limit)
    drawn = [
        {"inputs": {"text": "x" * length}, "outputs": {}, "example_id": str(n)} for n, length in enumerate(lengths)
    ]
    prefixes = [
        PromptValue("demo_set", {**ORIGIN, "demonstrations": drawn[:size]}) for size in range(1, len(drawn) + 1)
    ]
    longest = [each for each in prefixes if not each.token_count > limit][-1:]
    judged: list[PromptValue] = []

    class Counting(DemoSetVariable):
        def breaks(self, value: PromptValue, path: str = "value") -> list[Violation]:
            judged.append(value)
            return super().breaks(value, path)

    counting = Counting("v", slot="main", dataset_id="d", dataset_revision=1, token_limit=limit)
    assert list(fitting_values([variable], [drawn], ORIGIN)) == longest
    assert list(fitting_values([counting], [drawn], ORIGIN)) == longest and len(judged) <= 7


def test_the_defaults_come_first_then_each_set_and_then_nothing() -> None:
    """With all else as it was, whatever is pending; sets that came later change no earlier suggestion."""
    space, references = offering(3)
    tried: list[dict[str, Any]] = []
    while True:
        try:
            tried.append(ask(space, tried[:-1], tried[-1:]))
        except Exhausted:
            break
        assert ask(offering(8)[0], tried[:-1], []) == tried[-1]
    assert [each["shown"] for each in tried] == [UNCHANGED, *references]
    assert {each["heat"] for each in tried} == {0.5}


@pytest.mark.parametrize(
    "variables", [(FloatVariable("heat", 0, 1),), (DemoSetVariable("s", slot="main", mutable=False),)]
)
def test_a_space_without_demonstrations_is_refused(variables: Any) -> None:
    """Where there is no variable of them, and where it is frozen."""
    space = object.__new__(Space)
    object.__setattr__(space, "variables", variables)
    assert "demo_set" in refusal("bootstrap_random_search", space, AIMS)
    assert refusal("bootstrap_random_search", SPACE, AIMS) == ""
