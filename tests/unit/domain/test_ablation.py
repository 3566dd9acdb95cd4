"""The best, with one variable at a time as in the baseline: each is a configuration of the space, or says why not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.ablation import set_back
from domain.sampling import random_configuration
from domain.space import Space
from domain.values import is_same

PLAIN = Space.from_json(
    [
        {"name": "heat", "float": {"low": 0, "high": 1}, "default": 0.0},
        {"name": "shots", "integer": {"low": 0, "high": 9}, "default": 0},
        {"name": "calm", "boolean": {}, "default": False},
    ],
    [{"id": "few", "expression": "heat < 0.5 || shots > 2"}],
)
BRANCHED = Space.from_json(
    [
        {"name": "search", "choice": {"choices": ["off", "deep"]}, "default": "off"},
        {"name": "depth", "integer": {"low": 1, "high": 9}, "default": 1, "when": "search == 'deep'"},
        {"name": "speed", "integer": {"low": 1, "high": 9}, "default": 4, "when": "search == 'off'"},
    ]
)


def each(space: Space, best: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
    """Returns by variable what setting it back alone gives: values, or the reason why there are none."""
    return {one.variable: one.values or one.error for one in set_back(space, best, baseline)}


def test_each_variable_that_differs_is_set_back_alone() -> None:
    """Those that are the same have no turn; a constraint that forbids it is named."""
    baseline = {"heat": 0.0, "shots": 0, "calm": False}
    found = each(PLAIN, {"heat": 0.9, "shots": 5, "calm": False}, baseline)
    assert found["heat"] == {"heat": 0.0, "shots": 5, "calm": False}
    assert found.keys() == {"heat", "shots"} and found["shots"].startswith("cannot be set back alone:")
    assert each(PLAIN, baseline, baseline) == {}


def test_what_a_choice_switches_on_and_off_goes_with_it() -> None:
    """A child is as in the baseline, or absent, and has no turn where only one side has it."""
    best, baseline = {"search": "deep", "depth": 7}, {"search": "off", "speed": 6}
    assert each(BRANCHED, best, baseline) == {"search": {"search": "off", "speed": 6}}
    assert each(BRANCHED, {"search": "deep", "depth": 7}, {"search": "deep", "depth": 2}) == {
        "depth": {"search": "deep", "depth": 2}
    }


@given(st.sampled_from([PLAIN, BRANCHED]), st.integers(0, 2**32), st.integers(0, 2**32))
def test_what_is_set_back_is_a_configuration_that_differs_in_that_variable(space: Space, one: int, other: int) -> None:
    """Whatever two configurations are compared."""
    best, baseline = (random_configuration(space, seed, 1) for seed in (one, other))
    for found in set_back(space, best, baseline):
        if found.error:
            continue
        assert space.validate(found.values) == found.values
        assert is_same(found.values[found.variable], baseline[found.variable])
        left = {name: value for name, value in found.values.items() if name in best and name != found.variable}
        assert all(is_same(value, best[name]) for name, value in left.items())
