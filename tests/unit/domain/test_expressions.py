"""Expressions: what they mean, what is refused before they run, and that nothing else ever happens."""

import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.expressions import ANY, BOOLEAN, NUMBER, TEXT, Absent, Expression, Fault, Kind, parse
from domain.expressions.faults import Malformed
from domain.expressions.kinds import object_of
from tests.tries import tries

SCOPE = {
    "n": NUMBER,
    "m": NUMBER,
    "gone": NUMBER,
    "b": BOOLEAN,
    "t": TEXT,
    "u": TEXT,
    "v": ANY,
    "h": object_of({"choice": TEXT, "number": NUMBER}),
}
VALUES: dict[str, Any] = {
    "n": 3,
    "m": 0.5,
    "b": True,
    "t": "groq",
    "u": 'it\'s "so"',
    "v": 1,
    "h": {"choice": "a", "number": 2},
}


def value(text: str, **values: Any) -> Any:
    """Return what an expression gives."""
    return Expression.of(parse(text), SCOPE).run(VALUES | values)


def refusal(text: str, kind: Kind | None = None) -> tuple[str, str]:
    """Return the code and the words of a refusal."""
    with pytest.raises(Malformed) as refused:
        Expression.of(parse(text), SCOPE, kind)
    return refused.value.code, str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2", 5.0),
        ("(1 + 2) * -3", -9.0),
        ("7 - 2 - 1", 4.0),
        ("7 % 4 + .5e1", 8.0),
        ("n / 2", 1.5),
        ("n == 3 && m < n", True),
        ("n != 3 || !b", False),
        ("!b == false", True),
        ("b ? n : m", 3.0),
        ("n > 5 ? 'high' : n > 2 ? 'middle' : 'low'", "middle"),
        ("t in ['openai', \"groq\"]", True),
        ("n in [1, 2, 4]", False),
        ("t in {'groq': 1}", True),
        ("{'groq': 0.3, 'openai': 1}[t] * 2", 0.6),
        ("'llama' in {'groq': ['llama', 'gemma'], 'openai': ['gpt']}[t]", True),
        ("[n, m, 10][2] + size([1, 2])", 12.0),
        ("t + '!' == 'groq!'", True),
        (r"u == 'it\'s \"so\"' && u == 'it\'s " + r'"so"' + "'", True),
        (r"'\u00e9\n' == 'é\n'", True),
        ("size(t) + abs(-2)", 6.0),
        ("log(exp(2)) + pow(2, 10)", 1026.0),
        ("min(n, m, 1) + max([n, 9]) + sum(1, 2, 3)", 15.5),
        ("h.choice == 'a' && h.number == 2", True),
        ("has(n) && !has(gone)", True),
        ("has(gone) && gone > 3", False),
        ("count_active(n, gone, b)", 2.0),
        ("v == 1", True),
        ("v == true", False),
        ("v == '1'", False),
        ("v in [true, '1']", False),
        ("v + 1", 2.0),
        ("n == 3 || gone > 1", True),
        ("gone > 1 || n == 3", True),
        ("gone > 1 && n == 4", False),
        ("1 / 0 > 1 || b", True),
    ],
)
def test_an_expression_has_its_value(text: str, expected: Any) -> None:
    """Precedence and meaning are CEL's, numbers are doubles, and 1, true and "1" are three values."""
    found = value(text)
    assert type(found) is type(expected)
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected


@pytest.mark.parametrize(
    "text",
    [
        "n / 0",
        "n % 0",
        "log(0)",
        "pow(10, 400)",
        "pow(-1, 0.5)",
        "exp(1e6)",
        "1e308 * 10",
        "1e308 + 1e308",
        "{'openai': 1}[t]",
        "[1, 2][2]",
        "[1, 2][0.5]",
        "v > 'a'",
        "v + 'a' == 'b'",
        "v ? 1 : 2",
        "v.x == 1",
        "v[0] == 1",
        "v[t] == 1",
        "size(v)",
        "min(v, [1][n])",
        "t in v",
        "1 / 0 > 1 || !b",
        "sum([v, t])",
        " + ".join(["t"] * 50) + " == t",
    ],
)
def test_what_has_no_value_is_a_fault_and_nothing_else(text: str) -> None:
    """No NaN, no infinity, no Python error; texts do not grow without bound."""
    with pytest.raises(Fault):
        value(text, t="groq" * 60)


def test_reading_an_inactive_variable_is_a_fault_that_names_the_remedy() -> None:
    """Unless the other side decides."""
    with pytest.raises(Absent, match=r"guard it with has\(gone\)"):
        value("gone > 1 && n == 3")
    unguarded, guarded = (Expression.of(parse(text), SCOPE) for text in ("gone > 1", "has(gone) && gone > 1"))
    assert not unguarded.applies(VALUES)
    assert unguarded.applies(VALUES | {"gone": 2})
    assert guarded.applies(VALUES)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "SYNTAX", "column 1: expected a value"),
        ("n +", "SYNTAX", "column 4: expected a value"),
        ("n n", "SYNTAX", "column 3: expected an operator or the end, not 'n'"),
        ("(n", "SYNTAX", "column 3: expected ')', not the end"),
        ("[1 2]", "SYNTAX", "expected ',' or ']'"),
        ("{n: 1}", "SYNTAX", "expected a key"),
        ("{'a': 1, 'a': 2}", "SYNTAX", "not repeated"),
        ("n ; m", "SYNTAX", "column 3"),
        ("'open", "SYNTAX", "column 1"),
        (r"'\q' == t", "SYNTAX", "an escape that is unknown"),
        ("12u + 1", "SYNTAX", "column 1"),
        ("n = 1", "SYNTAX", "column 3"),
        ("while > 1", "SYNTAX", "while is a reserved word"),
        ("x + 1", "UNKNOWN_NAME", "column 1: x is not a variable"),
        ("n + frobnicate(1)", "UNKNOWN_NAME", "column 5: frobnicate is not a function; there are log"),
        ("__import__('os')", "UNKNOWN_NAME", "not a function"),
        ("h.size == 1", "UNKNOWN_NAME", "has no member size, only choice, number"),
        ("n.__class__ == 1", "WRONG_TYPE", "a number has no members"),
        ("v == h", "WRONG_TYPE", "== is not for a value and a object"),
        ("n + t", "WRONG_TYPE", "+ is not for a number and a text"),
        ("n == t", "WRONG_TYPE", "== is not for a number and a text"),
        ("b < true", "WRONG_TYPE", "< is not for a boolean and a boolean"),
        ("n in ['a']", "WRONG_TYPE", "in is not for a number and a list"),
        ("n in 'abc'", "WRONG_TYPE", "in is not for"),
        ("1 < n < 3", "WRONG_TYPE", "< is not for a boolean and a number"),
        ("n && b", "WRONG_TYPE", "must be a boolean, not a number"),
        ("!n", "WRONG_TYPE", "must be a boolean"),
        ("-t", "WRONG_TYPE", "must be a number"),
        ("b ? n : t", "WRONG_TYPE", "one of them"),
        ("log(t)", "WRONG_TYPE", "log takes numbers"),
        ("log(1, 2)", "SYNTAX", "log takes 1 number, not 2"),
        ("min()", "SYNTAX", "one number at least"),
        ("has(1)", "WRONG_TYPE", "the name of a variable"),
        ("has()", "SYNTAX", "the name of a variable"),
        ("has(x)", "UNKNOWN_NAME", "x is not a variable"),
        ("1e999", "WRONG_TYPE", "no double reaches"),
        ("(" * 100 + "n" + ")" * 100, "TOO_LARGE", "nested deeper"),
        ("!" * 100 + "b", "TOO_LARGE", "nested deeper"),
        ("n" + " + n" * 100, "TOO_LARGE", "nested deeper"),
        ("[" + "1," * 1500 + "1]", "TOO_LARGE", "more than 1000 parts"),
        ("n == " + "1" * 5000, "TOO_LARGE", "longer than 4096"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_column(text: str, code: str, words: str) -> None:
    """Before it ever runs, and whatever the text: it is never Python."""
    found, message = refusal(text)
    assert found == code
    assert words in message


def test_the_kind_that_is_wanted_is_enforced() -> None:
    """Before it runs where the kind is known, when it runs where it is not."""
    assert refusal("n + 1", BOOLEAN)[0] == "WRONG_TYPE"
    with pytest.raises(Fault, match="a boolean is needed"):
        Expression.of(parse("v"), SCOPE, BOOLEAN).run(VALUES)


def test_long_chains_are_fine_and_deep_ones_cost_what_they_are_long() -> None:
    """A chain of && is one level; a nest of 30 levels compiles each part once, not 2^30 times."""
    assert value(" && ".join(["n > 1"] * 300)) is True
    nested = "n"
    for _ in range(30):
        nested = f"({nested} + 1)"
    started = time.process_time()
    assert value(nested) == 33
    assert value("abs(" * 30 + "n" + ")" * 30) == 3
    assert time.process_time() - started < 30


NAMES = ["n", "m", "b", "t", "v", "h", "gone", "x", "1", "2.5", "'a'", "true", "null", "has", "min", "log", "size"]
SIGNS = [*"+-*/%!?:()[]{},.<", "==", "!=", ">=", "&&", "||", "in"]
WORDS = st.sampled_from(NAMES + SIGNS)


@settings(max_examples=tries(500))
@given(st.lists(WORDS, max_size=20).map(" ".join) | st.text(max_size=30))
def test_any_text_is_refused_or_runs_to_a_value_or_a_fault(text: str) -> None:
    """Total: nothing else is ever raised, and numbers are finite."""
    try:
        found = value(text)
    except (Malformed, Fault):
        return
    assert not isinstance(found, float) or math.isfinite(found)


def expressions(kind: str) -> st.SearchStrategy[str]:
    """Return expressions of a kind that are sound."""
    leaves = {
        "number": st.sampled_from(["n", "m", "2", "0.25", "h.number", "gone"]),
        "boolean": st.sampled_from(["b", "true", "has(gone)", "t == 'groq'", "v == 1"]),
    }
    if kind == "number":
        return st.recursive(
            leaves["number"],
            lambda inner: st.one_of(
                st.tuples(inner, st.sampled_from("+-*/%"), inner).map("({0[0]} {0[1]} {0[2]})".format),
                inner.map("-{}".format),
                st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"max({', '.join(parts)})"),
                st.tuples(leaves["boolean"], inner, inner).map("({0[0]} ? {0[1]} : {0[2]})".format),
            ),
            max_leaves=12,
        )
    compared = st.tuples(expressions("number"), st.sampled_from(["<", ">=", "==", "!="]), expressions("number"))
    return st.recursive(
        leaves["boolean"] | compared.map("{0[0]} {0[1]} {0[2]}".format),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map("({0[0]} {0[1]} {0[2]})".format),
            inner.map("!({})".format),
        ),
        max_leaves=8,
    )


@given(expressions("number"), expressions("boolean"), st.floats(-1e300, 1e300), st.integers(-9, 9))
def test_a_sound_expression_keeps_its_kind(number: str, boolean: str, m: float, n: int) -> None:
    """What is checked before is so when it runs, for any values."""
    for text, kind in ((number, float), (boolean, bool)):
        made = Expression.of(parse(text), SCOPE)
        assert made.kind.name == {float: "number", bool: "boolean"}[kind]
        try:
            found = made.run(VALUES | {"m": m, "n": n})
        except Fault:
            continue
        assert type(found) is kind


@given(expressions("boolean"), expressions("boolean"))
def test_junctions_do_not_depend_on_the_order_of_their_sides(one: str, two: str) -> None:
    """A fault on one side is overlooked in either order, or in neither."""
    for sign in ("&&", "||"):
        outcomes = []
        for text in (f"({one}) {sign} ({two})", f"({two}) {sign} ({one})"):
            try:
                outcomes.append(value(text))
            except Fault:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1]
