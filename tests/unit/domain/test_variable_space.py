"""Variable spaces: their JSON form, what makes them sound, configurations, sizes."""

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.sampling import random_configurations
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Space
from domain.values import Invalid, canonical_json
from tests.unit.domain.arbitrary import JSON, NAMES, SCALARS, floats, integers, small_spaces, spaces

SPACE = Space(
    (
        FloatVariable("temperature", 0, 2, default=0.7),
        FloatVariable("rate", 0.1, 1, step=0.1),
        IntegerVariable("shots", 0, 64, step=4, default=8),
        ChoiceVariable("order", ("nearest", "random", 1, True, "1", None), default="nearest"),
        BooleanVariable("rules"),
    )
)


def refused(action: Any, *arguments: Any) -> list[tuple[str, str]]:
    """Return the paths and codes of the refusal."""
    with pytest.raises(Invalid) as refusal:
        action(*arguments)
    return [(each.path, each.code) for each in refusal.value.violations]


@given(spaces())
def test_the_json_form_loses_nothing(space: Space) -> None:
    """Through JSON text and back it is the same space, and the form is stable."""
    form = json.loads(json.dumps(space.to_json()))
    again = Space.from_json(form)
    assert again == space
    assert canonical_json(again.to_json()) == canonical_json(space.to_json())


@given(spaces())
def test_a_form_in_which_every_number_is_a_double_is_the_same_space(space: Space) -> None:
    """As the form arrives through google.protobuf.Struct, or with 64-bit integers as text, as protos write them."""
    doubles = json.loads(json.dumps(space.to_json()), parse_int=float)
    assert Space.from_json(doubles) == space
    texts = space.to_json()
    for entry in texts:
        if "integer" in entry:
            entry["integer"] = {key: v if key == "log" else str(v) for key, v in entry["integer"].items()}
    assert Space.from_json(texts) == space


def test_integers_given_as_json_numbers_become_ints() -> None:
    """3.0 is 3."""
    (variable,) = Space.from_json([{"name": "k", "integer": {"low": 1.0, "high": 3.0}, "default": 2.0}]).variables
    assert repr(variable) == repr(IntegerVariable("k", 1, 3, default=2))


def test_a_proto_step_of_zero_is_none() -> None:
    """Proto fields without presence say 0 for absent."""
    form = [
        {"name": "x", "float": {"low": 0, "high": 1, "step": 0.0}},
        {"name": "k", "integer": {"low": "0", "high": "9", "step": "0"}},
    ]
    assert Space.from_json(form).variables == (FloatVariable("x", 0, 1), IntegerVariable("k", 0, 9))


def test_every_violation_of_a_form_is_reported_with_its_path() -> None:
    """X-44: missing fields, unknown types, wrong ranges and defaults are all reported, and nothing raises otherwise."""
    form: list[Any] = [
        {"name": "Temperature", "float": {"low": 2, "high": 1}},
        {"name": "a", "float": {"low": 0, "high": math.inf, "step": -1, "sigma": 1}},
        {"name": "a", "integer": {"low": 0, "high": 10, "step": 0.5, "log": True}},
        {"name": "b", "choice": {"choices": ["x", 1, 1.0, ["y"]]}, "default": "x"},
        {"float": {"low": 0}, "boolean": {}},
        {"name": "c", "integer": {"low": 1, "high": 5}, "default": 9},
        {"name": "c", "boolean": {}, "default": 1, "description": 7},
        "nonsense",
        {"name": "d", "matrix": {}},
    ]
    found = refused(Space.from_json, form)
    assert set(found) == {
        ("variables[0].name", "INVALID_NAME"),
        ("variables[0].float.high", "OUT_OF_RANGE"),
        ("variables[1].float.sigma", "UNKNOWN_NAME"),
        ("variables[2].integer.step", "WRONG_TYPE"),
        ("variables[2].integer.low", "OUT_OF_RANGE"),
        ("variables[3].choice.choices[2]", "DUPLICATE"),
        ("variables[3].choice.choices[3]", "WRONG_TYPE"),
        ("variables[4].name", "REQUIRED"),
        ("variables[4]", "REQUIRED"),
        ("variables[4].float.high", "REQUIRED"),
        ("variables[5].default", "OUT_OF_RANGE"),
        ("variables[6].name", "DUPLICATE"),
        ("variables[6].description", "OUT_OF_RANGE"),
        ("variables[6].default", "WRONG_TYPE"),
        ("variables[7]", "WRONG_TYPE"),
        ("variables[8]", "REQUIRED"),
        ("variables[8].matrix", "UNKNOWN_NAME"),
    }
    assert len(found) == 17


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        (FloatVariable("x", math.nan, 1), "float.low"),
        (FloatVariable("x", 0, 10**400), "float.high"),
        (FloatVariable("x", -1e308, 1e308), "float.high"),
        (FloatVariable("x", 0, 1, step=0.0), "float.step"),
        (FloatVariable("x", 0, 1, step=1e-13), "float.step"),
        (FloatVariable("x", 0, 1, log=True), "float.low"),
        (IntegerVariable("x", 0, 2**53), "integer.high"),
        (IntegerVariable("x", 0, True), "integer.high"),
        (IntegerVariable("x", 0, 3, step=0), "integer.step"),
        (IntegerVariable("x", 0, 3, log=True), "integer.low"),
        (ChoiceVariable("x", ()), "choice.choices"),
        (ChoiceVariable("x", tuple(range(1001))), "choice.choices"),
        (ChoiceVariable("x", ("a\x00",)), "choice.choices[0]"),
        (FloatVariable("x", 0, 1, default=2.0), "default"),
        (IntegerVariable("x", 0, 10, step=4, default=5), "default"),
        (ChoiceVariable("x", (1,), default=True), "default"),
    ],
)
def test_an_unsound_domain_is_refused_at_its_field(variable: Any, path: str) -> None:
    """One violation, where it is."""
    assert [found[0] for found in refused(Space, (variable,))] == [f"variables[0].{path}"]


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a" * 64, "a\n", "é", "_a", None, 3])
def test_names_are_short_lower_case_identifiers(name: Any) -> None:
    """X-50: names are data; they are checked as text and never become code."""
    assert refused(Space, (BooleanVariable(name),)) == [("variables[0].name", "INVALID_NAME")]


def test_names_that_differ_are_unique_and_names_that_repeat_are_not() -> None:
    """X-49: uniqueness compares the names themselves, and points at the second."""
    assert Space((BooleanVariable("a"), BooleanVariable("b"))).names == ("a", "b")
    twice = (BooleanVariable("a"), BooleanVariable("b"), BooleanVariable("a"))
    assert refused(Space, twice) == [("variables[2].name", "DUPLICATE")]


def test_a_space_has_at_most_a_thousand_variables() -> None:
    """A thousand are fine, one more is not."""
    variables = tuple(BooleanVariable(f"v{index}") for index in range(1001))
    assert Space(variables[:1000]).size().discrete_dimensions == 1000
    assert refused(Space, variables) == [("variables", "OUT_OF_RANGE")]


def test_validation_fills_defaults_and_normalises() -> None:
    """Defaults in, 12.0 to 12, steps snapped, in the space's order."""
    configuration = SPACE.validate({"rules": True, "rate": 0.34, "shots": 12.0, "temperature": 1 / 3})
    assert configuration == {
        "temperature": 0.333333333333,
        "rate": 0.3,
        "shots": 12,
        "order": "nearest",
        "rules": True,
    }
    assert list(configuration) == list(SPACE.names)
    assert isinstance(configuration["shots"], int)


def test_validation_reports_every_violation_with_its_path() -> None:
    """X-46: the reasons are not thrown away."""
    values = {"temperature": 2.5, "rate": "0.5", "shots": 3, "order": False, "extra": 1}
    assert refused(SPACE.validate, values) == [
        ("values.extra", "UNKNOWN_NAME"),
        ("values.temperature", "OUT_OF_RANGE"),
        ("values.rate", "WRONG_TYPE"),
        ("values.shots", "OFF_STEP"),
        ("values.order", "NOT_A_CHOICE"),
        ("values.rules", "REQUIRED"),
    ]


@pytest.mark.parametrize(
    "value", [True, "1", None, math.nan, math.inf, [1], pytest.param(10**5000, id="huge"), -1, 1.5]
)
def test_values_of_a_wrong_type_or_range_are_refused_and_never_crash(value: Any) -> None:
    """True is no number, and a number that no double reaches is out of range."""
    space = Space((IntegerVariable("k", 0, 1), FloatVariable("x", 0, 1)))
    assert [found[0] for found in refused(space.validate, {"k": value, "x": value})] == ["values.k", "values.x"]


def test_choices_are_told_apart_as_json_does() -> None:
    """1, true, "1" and null are four choices; 1.0 is 1."""
    for value in (1, True, "1", None):
        chosen = SPACE.validate({"order": value, "rate": 1, "rules": False})["order"]
        assert type(chosen) is type(value)
        assert chosen == value
    assert SPACE.validate({"order": 1.0, "rate": 1, "rules": False})["order"] is not True


def test_what_is_not_an_object_is_no_configuration() -> None:
    """One violation at the root."""
    assert refused(SPACE.validate, [1]) == [("values", "WRONG_TYPE")]


@given(spaces(), st.dictionaries(NAMES, JSON, max_size=4))
def test_validation_answers_or_refuses_whatever_it_is_given(space: Space, values: dict[str, Any]) -> None:
    """Total: a configuration of exactly the space's names, or Invalid."""
    try:
        assert set(space.validate(values)) == set(space.names)
    except Invalid as refusal:
        assert refusal.violations


@given(spaces(), st.integers(0, 2**32))
def test_a_validated_configuration_validates_unchanged(space: Space, seed: int) -> None:
    """Also after a round trip through JSON in which every number is a double."""
    (configuration,) = random_configurations(space, 1, seed)
    assert repr(space.validate(configuration)) == repr(configuration)
    doubles = json.loads(json.dumps(configuration), parse_int=float)
    assert repr(space.validate(doubles)) == repr(configuration)


@given(floats(), st.floats(0, 1))
def test_a_snapped_float_is_a_grid_point_within_the_range(variable: FloatVariable, share: float) -> None:
    """It lies within half a step of what was given, or at the last point, and never outside."""
    value = min(variable.low * (1 - share) + variable.high * share, variable.high)
    snapped = variable.accept(max(value, variable.low), "x")
    assert variable.low <= snapped <= variable.high
    assert variable.accept(snapped, "x") == snapped
    if variable.step is not None:
        assert variable.cardinality is not None
        assert 0 <= variable.index(snapped) < variable.cardinality
        assert variable.at(variable.index(snapped)) == snapped


def test_a_decimal_step_reaches_the_end_of_its_range() -> None:
    """0 to 1 by 0.1 has eleven values, written as people write them."""
    variable = FloatVariable("x", 0, 1, step=0.1)
    assert [variable.at(index) for index in range(11)] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert variable.cardinality == 11
    assert FloatVariable("x", 0, 1, step=0.3).accept(1, "x") == 0.9


@given(integers(), st.integers(-(10**7), 10**7))
def test_an_integer_is_accepted_if_and_only_if_it_is_on_the_grid(variable: IntegerVariable, value: int) -> None:
    """The step is enforced, not only stored."""
    if value in range(variable.low, variable.high + 1, variable.step):
        assert variable.accept(value, "x") == value
    else:
        assert [path for path, _ in refused(variable.accept, value, "x")] == ["x"]


@given(small_spaces())
def test_the_size_is_the_number_of_configurations(space: Space) -> None:
    """Against enumeration: every candidate is tried on validate."""
    candidates: list[list[Any]] = []
    for variable in space.variables:
        low_high = range(variable.low, variable.high + 1) if isinstance(variable, IntegerVariable) else ()
        candidates.append([*low_high, *(variable.choices if isinstance(variable, ChoiceVariable) else (False, True))])
    valid = set()
    for values in itertools.product(*candidates):
        try:
            valid.add(canonical_json(space.validate(dict(zip(space.names, values, strict=True)))))
        except Invalid:
            continue
    size = space.size()
    assert size.discrete_cardinality == len(valid)
    assert not size.is_infinite
    assert size.log10 == pytest.approx(math.log10(len(valid)))


def test_large_sizes_are_exact() -> None:
    """X-40: derived from the variables, in arbitrary precision: beyond 32 bits, beyond 64 bits, beyond `str`."""
    choices = tuple(ChoiceVariable(f"c{index}", tuple(range(20))) for index in range(8))
    assert Space(choices).size().discrete_cardinality == 25_600_000_000
    numbers = tuple(IntegerVariable(f"i{index}", 1, 4096) for index in range(10))
    assert Space(numbers).size().discrete_cardinality == 4096**10
    assert Space(numbers).size().decimal() == str(4096**10)
    huge = Space(tuple(IntegerVariable(f"i{index}", -(2**53) + 1, 2**53 - 1) for index in range(1000))).size()
    assert huge.log10 == pytest.approx(1000 * math.log10(2**54 - 1))
    assert len(huge.decimal()) == math.floor(huge.log10) + 1


def test_integers_are_discrete_and_floats_are_continuous() -> None:
    """X-41: integers, booleans, choices and stepped floats are discrete; only floats without a step are not."""
    size = SPACE.size()
    assert (size.discrete_dimensions, size.continuous_dimensions) == (4, 1)
    assert size.is_infinite
    assert size.discrete_cardinality == 10 * 17 * 6 * 2


def test_a_range_of_one_point_makes_no_space_infinite() -> None:
    """A range whose ends are equal holds one value."""
    size = Space((FloatVariable("x", 0.5, 0.5), FloatVariable("y", 0.123456789012345, 0.123456789012345))).size()
    assert (size.discrete_cardinality, size.log10, size.is_infinite) == (1, 0.0, False)


def test_a_space_without_variables_has_one_configuration() -> None:
    """The empty one."""
    assert Space(()).size().discrete_cardinality == 1
    assert Space(()).validate({}) == {}
    assert Space(()).defaults() == {}


def test_a_space_has_defaults_only_if_every_variable_has() -> None:
    """Else there is no configuration to start from."""
    assert SPACE.defaults() is None
    assert Space((SPACE.variables[0], SPACE.variables[2])).defaults() == {"temperature": 0.7, "shots": 8}


@given(SCALARS, SCALARS)
def test_a_choice_is_found_exactly_by_its_json_equal(one: Any, other: Any) -> None:
    """Two choices never answer for each other."""
    assume(canonical_json(one) != canonical_json(other))
    variable = Space((ChoiceVariable("x", (one, other)),)).variables[0]
    assert [variable.index(one), variable.index(other)] == [0, 1]
