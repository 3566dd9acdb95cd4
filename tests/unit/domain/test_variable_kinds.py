"""What every kind of variable may say of its values, and that it is kept."""

import json
import math
from collections import Counter
from statistics import NormalDist, fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sampling import random_configurations
from domain.seeds import Draw
from domain.space import ChoiceVariable, FloatVariable, IntegerVariable, Normal, Space
from domain.values import Invalid
from tests.unit.domain.arbitrary import SCALARS

SEEDS = st.integers(0, 2**63 - 1)


class Place(Draw):
    """A draw that begins at a place of one's choice."""

    def __init__(self, place: float) -> None:
        super().__init__(0)
        self.place = place

    def unit(self) -> float:
        """Return the place."""
        return self.place


def refused(*variables: Any) -> list[tuple[str, str]]:
    """Return the paths and codes of a space's refusal."""
    with pytest.raises(Invalid) as refusal:
        Space(variables)
    return [(each.path, each.code) for each in refusal.value.violations]


@st.composite
def normals(draw: st.DrawFn) -> FloatVariable:
    """Return a sound float variable with a normal distribution."""
    low = draw(st.floats(-1e6, 1e6))
    high = low + draw(st.floats(0, 1e6))
    mean, sigma = draw(st.floats(low, high)), draw(st.floats(1e-9, 1e12))
    return FloatVariable("x", low, high, step=draw(st.none() | st.floats(1e-3, 1e3)), normal=Normal(mean, sigma))


@st.composite
def powers(draw: st.DrawFn) -> IntegerVariable:
    """Return a sound variable of powers of two."""
    low = draw(st.integers(0, 52))
    return IntegerVariable("x", 2**low, 2 ** draw(st.integers(low, 52)), power_of_two=True)


@st.composite
def weighted(draw: st.DrawFn) -> ChoiceVariable:
    """Return a sound choice with weights and any flags."""
    choices = draw(st.lists(st.sampled_from([0, 1, True, False, "0", "1", None]), min_size=1, unique_by=repr))
    weights = draw(st.lists(st.floats(1e-6, 1e9), min_size=len(choices), max_size=len(choices)))
    flags = {"ordered": draw(st.booleans()), "allow_custom": draw(st.booleans())}
    return ChoiceVariable("x", tuple(choices), weights=tuple(weights), **flags)


@given(normals() | powers() | weighted(), SEEDS)
def test_what_is_drawn_is_valid_and_the_json_form_keeps_it_all(variable: Any, seed: int) -> None:
    """Also when every number is a double, as Struct makes them."""
    space = Space((variable,))
    (drawn,) = random_configurations(space, 1, seed)
    assert repr(space.validate(drawn)) == repr(drawn)
    assert Space.from_json(json.loads(json.dumps(space.to_json()), parse_int=float)) == space


@given(normals(), st.floats(0, 1), st.floats(0, 1))
def test_a_normal_draw_rises_with_its_place_and_stays_in_range(variable: FloatVariable, one: float, two: float) -> None:
    """So designs, which choose the place, cover it evenly in its own distribution."""
    first, second = sorted((one, two))
    values = variable.draw(Place(first)), variable.draw(Place(second))
    assert variable.low <= values[0] <= values[1] <= variable.high


def test_normal_draws_have_the_cut_distribution() -> None:
    """Quantiles agree with the formula; a wide one is even, a narrow one stays at its mean."""
    variable = FloatVariable("x", 0, 2, normal=Normal(0.5, 0.5))
    whole = NormalDist(0.5, 0.5)
    for share in (0.01, 0.25, 0.5, 0.9, 0.999):
        expected = whole.inv_cdf(whole.cdf(0) * (1 - share) + whole.cdf(2) * share)
        assert variable.draw(Place(share)) == pytest.approx(expected, abs=1e-9)
    drawn = random_configurations(Space((variable,)), 2000, 3)
    assert sum(each["x"] < 0.5 for each in drawn) / 2000 == pytest.approx(0.3413 / 0.8400, abs=0.06)
    assert FloatVariable("x", 0, 2, normal=Normal(1, 1e15)).draw(Place(0.25)) == pytest.approx(0.5)
    assert FloatVariable("x", 0, 2, normal=Normal(2, 1e-12)).draw(Place(0.3)) == pytest.approx(2)
    assert fmean(each["x"] for each in drawn) < 1


def test_an_integer_may_be_a_power_of_two() -> None:
    """Each equally likely; all else is refused; the size counts them."""
    space = Space((IntegerVariable("batch", 1, 64, power_of_two=True),))
    assert space.size().discrete_cardinality == 7
    counts = Counter(each["batch"] for each in random_configurations(space, 7000, 1))
    assert sorted(counts) == [1, 2, 4, 8, 16, 32, 64]
    assert all(abs(count - 1000) < 5 * math.sqrt(1000) for count in counts.values())
    with pytest.raises(Invalid, match="must be a power of two, not 48"):
        space.validate({"batch": 48})
    assert space.validate({"batch": 32.0}) == {"batch": 32}


@given(powers(), st.integers(0, 52))
def test_the_index_of_a_power_of_two_is_its_place(variable: IntegerVariable, index: int) -> None:
    """There and back."""
    index = min(index, variable.cardinality - 1)
    assert variable.index(variable.at(index)) == index
    assert variable.accept(variable.at(index), "x") == variable.low * 2**index


def test_weights_say_how_likely_choices_are() -> None:
    """1 to 3 to 6."""
    space = Space((ChoiceVariable("c", ("a", "b", "c"), weights=(1, 3, 6)),))
    counts = Counter(each["c"] for each in random_configurations(space, 10_000, 5))
    for choice, share in (("a", 0.1), ("b", 0.3), ("c", 0.6)):
        assert abs(counts[choice] - 10_000 * share) < 5 * math.sqrt(10_000 * share * (1 - share))
    assert space.variables[0].draw(Place(1 - 2**-53)) == "c"


@given(SCALARS)
def test_a_choice_that_allows_custom_values_takes_any_scalar_and_no_structure(value: Any) -> None:
    """And makes the space infinite, without counting more than it lists."""
    space = Space((ChoiceVariable("c", ("a", 1), allow_custom=True),))
    assert space.validate({"c": value})["c"] == value
    assert (space.size().is_infinite, space.size().discrete_cardinality) == (True, 2)
    assert {each["c"] for each in random_configurations(space, 50, 1)} == {"a", 1}
    for wrong in ([value], {"a": value}, math.nan, "x" * 10_001, 2**53):
        with pytest.raises(Invalid):
            space.validate({"c": wrong})


@pytest.mark.parametrize(
    ("variable", "found"),
    [
        (FloatVariable("x", 0, 1, normal=Normal(2, 1)), [("normal.mean", "OUT_OF_RANGE")]),
        (FloatVariable("x", 0, 1, normal=Normal(math.nan, 0)), [("normal.mean", ""), ("normal.sigma", "")]),
        (FloatVariable("x", 1, 2, True, normal=Normal(1, 1)), [("normal", "CONTRADICTION")]),
        (IntegerVariable("x", 3, 64, power_of_two=True), [("low", "OUT_OF_RANGE")]),
        (IntegerVariable("x", 0, 63, power_of_two=True), [("low", ""), ("high", "")]),
        (IntegerVariable("x", 1, 64, 2, power_of_two=True), [("power_of_two", "CONTRADICTION")]),
        (IntegerVariable("x", 1, 64, log=True, power_of_two=True), [("power_of_two", "CONTRADICTION")]),
        (IntegerVariable("x", 1, 64, power_of_two=1), [("power_of_two", "WRONG_TYPE")]),  # type: ignore[arg-type]
        (IntegerVariable("x", 1, 64, default=3, power_of_two=True), [("default", "OFF_STEP")]),
        (ChoiceVariable("x", (1, 2), weights=(1,)), [("weights", "OUT_OF_RANGE")]),
        (ChoiceVariable("x", (1, 2), weights=(1, math.inf)), [("weights[1]", "OUT_OF_RANGE")]),
        (ChoiceVariable("x", (1, 2), weights=(0, True)), [("weights[0]", ""), ("weights[1]", "")]),
        (ChoiceVariable("x", (1,), ordered="yes"), [("ordered", "WRONG_TYPE")]),  # type: ignore[arg-type]
        (ChoiceVariable("x", (1,), default=[2], allow_custom=True), [("default", "WRONG_TYPE")]),
    ],
)
def test_a_contradiction_is_refused_at_its_field(variable: Any, found: list[tuple[str, str]]) -> None:
    """Every one, each where it is."""
    kind = f"variables[0].{variable.kind}."
    paths = ["variables[0].default" if path == "default" else kind + path for path, _ in found]
    seen = refused(variable)
    assert [path for path, _ in seen] == paths
    assert all(code in ("", each) for (_, code), (_, each) in zip(found, seen, strict=True))


def test_the_form_of_a_distribution_is_checked() -> None:
    """Missing and unknown keys and wrong types have their paths."""
    form: list[Any] = [
        {"name": "a", "float": {"low": 0, "high": 1, "normal": {"mean": 0, "mu": 1}}},
        {"name": "b", "float": {"low": 0, "high": 1, "normal": 3}},
        {"name": "c", "choice": {"choices": [1], "weights": 3}},
    ]
    with pytest.raises(Invalid) as refusal:
        Space.from_json(form)
    assert [each.path for each in refusal.value.violations] == [
        "variables[0].float.normal.sigma",
        "variables[0].float.normal.mu",
        "variables[1].float.normal",
        "variables[2].choice.weights",
    ]
