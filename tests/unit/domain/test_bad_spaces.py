"""Bad spaces and bad values, each refused at its place, in bounded effort."""

import math
from typing import Any

import pytest

from domain.sampling import ATTEMPTS, Unsatisfied, random_configurations
from domain.satisfiability import emptiness
from domain.space import Constraint, FloatVariable, IntegerVariable, Space
from domain.values import Invalid


def refusals(variables: list[dict[str, Any]], *constraints: str) -> list[tuple[str, str]]:
    """Returns the paths and codes of a refusal."""
    rules = [{"id": f"c{index}", "expression": text} for index, text in enumerate(constraints)]
    with pytest.raises(Invalid) as refusal:
        Space.from_json(variables, rules)
    return [(each.path, each.code) for each in refusal.value.violations]


def number(name: str = "x", low: Any = 0, high: Any = 1, **rest: Any) -> dict[str, Any]:
    """A float variable."""
    return {"name": name, "float": {"low": low, "high": high}, **rest}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ([number("a", when="b > 0"), number("b", when="a > 0")], [("variables[0].when", "CYCLE")]),
        ([number("a", when="a > 0")], [("variables[0].when", "CYCLE")]),
        ([number("a", when="z > 0")], [("variables[0].when", "UNKNOWN_NAME")]),
        (
            [
                {"name": "a", "computed": {"expression": "b + 1"}},
                {"name": "b", "computed": {"expression": "a + 1"}},
            ],
            [("variables[0].computed.expression", "CYCLE")],
        ),
        ([{"name": "a", "choice": {"choices": []}}], [("variables[0].choice.choices", "OUT_OF_RANGE")]),
        (
            [{"name": "a", "module": {"interface": "r", "components": []}}],
            [("variables[0].module.components", "OUT_OF_RANGE")],
        ),
        ([number(low=math.nan)], [("variables[0].float.low", "WRONG_TYPE")]),
        ([number(high=math.inf)], [("variables[0].float.high", "WRONG_TYPE")]),
        ([number(default=math.nan)], [("variables[0].default", "WRONG_TYPE")]),
        ([number(low=-1.7e308, high=1.7e308)], [("variables[0].float.high", "OUT_OF_RANGE")]),
        ([number(low=2, high=1)], [("variables[0].float.high", "OUT_OF_RANGE")]),
        ([{"name": "a", "integer": {"low": 3, "high": 1}}], [("variables[0].integer.high", "OUT_OF_RANGE")]),
        ([{"name": "a", "integer": {"low": 0, "high": 2**60}}], [("variables[0].integer.high", "WRONG_TYPE")]),
        ([number(default=2)], [("variables[0].default", "OUT_OF_RANGE")]),
        ([{"name": "a", "boolean": {}, "default": 1}], [("variables[0].default", "WRONG_TYPE")]),
        ([{"name": "a", "choice": {"choices": [1]}, "default": True}], [("variables[0].default", "NOT_A_CHOICE")]),
        ([{"name": "a", "choice": {"choices": ["1"]}, "default": 1}], [("variables[0].default", "NOT_A_CHOICE")]),
        ([number("x" * 10_000)], [("variables[0].name", "INVALID_NAME")]),
        ([number("Ä")], [("variables[0].name", "INVALID_NAME")]),
        ([number("")], [("variables[0].name", "INVALID_NAME")]),
        ([number("x", when="y")], [("variables[0].when", "UNKNOWN_NAME")]),
        ([number(description="x" * 1001)], [("variables[0].description", "OUT_OF_RANGE")]),
    ],
)
def test_a_bad_variable_is_refused_at_its_place(variables: list[dict[str, Any]], found: list[tuple[str, str]]) -> None:
    """Once."""
    assert refusals(variables) == found


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 10_000 + "x > 0" + ")" * 10_000,
        "!" * 4000 + "true",
        "x" + " + x" * 200_000 + " > 0",
        "[" * 4000 + "]" * 4000 + " == 1",
        "x > " + "9" * 5000,
        "pow(" * 1000 + "x" + ", 9)" * 1000 + " > 0",
    ],
)
def test_an_expression_that_explodes_is_refused(expression: str) -> None:
    """Unread, or where it becomes too deep."""
    (found,) = refusals([number()], expression)
    assert found[0] in ("constraints[0].expression", "constraints", "variables")


def test_a_text_that_no_value_can_be_is_refused() -> None:
    """Half of a surrogate pair, and U+0000."""
    for text in (r'x == "\ud800"', r"x == '\u0000'", r'{"\ud800": 1}[x] > 0'):
        assert refusals([{"name": "x", "choice": {"choices": ["a", "b"]}}], text) == [
            ("constraints[0].expression", "SYNTAX")
        ]


def test_sums_beyond_all_doubles_prove_nothing() -> None:
    """Of bounds that are doubles themselves."""
    names = ("x", "y")
    space = Space(tuple(FloatVariable(name, 0, 1.7e308) for name in names), (Constraint("c", "sum(x, y) > 1"),))
    assert not emptiness(space)


def test_what_an_expression_computes_stays_a_double() -> None:
    """Towers of powers have no value, rather than millions of digits."""
    space = Space((FloatVariable("x", 2, 9, default=9),), (Constraint("c", "pow(pow(pow(x, 99), 99), 99) > 0"),))
    with pytest.raises(Invalid) as refusal:
        space.validate({})
    assert [each.code for each in refusal.value.violations] == ["NO_VALUE"]


def test_names_that_are_words_of_the_language_are_fine_and_cannot_be_read() -> None:
    """Neither of CEL's nor of Python's."""
    space = Space.from_json([number(name, default=0.5) for name in ("in", "for", "class", "lambda", "import", "true")])
    assert set(space.validate({})) == set(space.names)
    assert refusals([number("for")], "for > 0")[0][0] == "constraints[0].expression"


def test_sizes_beyond_64_bits_are_exact() -> None:
    """Of ten thousand digits, too."""
    space = Space(tuple(IntegerVariable(f"v{index}", 1, 4096) for index in range(10)))
    assert space.size().discrete_cardinality == 4096**10
    wide = Space(tuple(IntegerVariable(f"v{index}", 1, 2**50) for index in range(900)))
    assert len(wide.size().decimal()) == math.floor(900 * 50 * math.log10(2)) + 1


def test_an_unsatisfiable_space_is_given_up_after_so_many_draws() -> None:
    """With what most of them break."""
    never = (Constraint("never", "x % 1 == 2"), Constraint("seldom", "x > 0.5"))
    with pytest.raises(Unsatisfied) as told:
        random_configurations(Space((FloatVariable("x", 0, 1),), never), 100, 1)
    assert (told.value.candidates, told.value.accepted, told.value.most_violated) == (ATTEMPTS, 0, "never")
