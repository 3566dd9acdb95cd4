"""Arbitrary JSON values and sound spaces, for property tests."""

from typing import Any

from hypothesis import strategies as st

from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ComputedVariable,
    ConditionalVariable,
    Constraint,
    Declared,
    FloatVariable,
    GroupVariable,
    HybridBranch,
    HybridVariable,
    IntegerVariable,
    Space,
    Variable,
)
from domain.values import LARGEST_INTEGER

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
RESERVED = ("in", "as", "if", "for", "let", "var", "true", "null", "else", "void", "loop", "false", "break", "const")
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(-1e12, 1e12) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


@st.composite
def floats(draw: st.DrawFn, name: str = "x") -> FloatVariable:
    """Return a sound float variable of any kind."""
    log = draw(st.booleans())
    low = draw(st.floats(1e-6, 1e3) if log else st.floats(-1e6, 1e6))
    high = low + draw(st.floats(0, 1e6))
    step = draw(st.none() | st.floats(1e-3, 1e3))
    default = draw(st.none() | st.floats(low, high))
    return FloatVariable(name, low, high, log, step, default, draw(TEXT))


@st.composite
def integers(draw: st.DrawFn, name: str = "x", widest: int = 10**6) -> IntegerVariable:
    """Return a sound integer variable of any kind."""
    log = draw(st.booleans())
    low = draw(st.integers(1 if log else -(10**6), 10**6))
    step = draw(st.integers(1, 100))
    high = low + draw(st.integers(0, widest))
    default = draw(st.none() | st.integers(0, (high - low) // step).map(lambda index: low + index * step))
    return IntegerVariable(name, low, high, step, log, default, draw(TEXT))


@st.composite
def choices(draw: st.DrawFn, name: str = "x", most: int = 6) -> ChoiceVariable:
    """Return a sound choice variable, often with 1, true and "1" side by side."""
    pool = st.sampled_from([0, 1, True, False, "0", "1", "true", None, 1.5]) | TEXT
    values = draw(st.lists(pool, min_size=1, max_size=most, unique_by=repr))
    return ChoiceVariable(name, tuple(values), default=draw(st.none() | st.sampled_from(values)))


@st.composite
def spaces(draw: st.DrawFn, most: int = 6) -> Space:
    """Return a sound space."""
    names = draw(st.lists(NAMES, max_size=most, unique=True))
    return Space(tuple(draw(_variables(name)) for name in names))


@st.composite
def small_spaces(draw: st.DrawFn) -> Space:
    """Return a sound space of few, finitely many configurations."""
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    kinds: list[Any] = [choices(most=4), integers(widest=5), st.just(BooleanVariable("x"))]
    return Space(tuple(_named(draw(st.one_of(kinds)), name) for name in names))


@st.composite
def conditional_spaces(draw: st.DrawFn, with_constraints: bool = True) -> Space:
    """Return a sound space of few values whose variables depend on each other, in any order, with constraints."""
    names = draw(st.lists(NAMES.filter(lambda name: name not in RESERVED), max_size=4, unique=True))
    made: list[Variable] = []
    for name in names:
        domain = draw(st.sampled_from([(0, 1), (0, 2), (3, 5)]))
        asked = st.sampled_from([f"{each.name} {sign} 1" for each in made for sign in ("==", ">", "<=")] or [""])
        when = draw(st.just("") | asked | st.tuples(asked, asked).map(lambda both: " || ".join(filter(None, both))))
        made.append(IntegerVariable(name, *domain, default=draw(st.none() | st.just(domain[1])), when=when))
    rules = st.sampled_from([f"{one} {sign} {two}" for one in names for two in names for sign in "<>"] or ["true"])
    presence = st.sampled_from([f"has({name})" for name in names] or ["true"])
    expressions = draw(st.lists(rules | presence, max_size=2)) if with_constraints else []
    constraints = tuple(Constraint(f"c{index}", expression) for index, expression in enumerate(expressions))
    return Space(tuple(draw(st.permutations(made))), constraints)


@st.composite
def structured_spaces(draw: st.DrawFn, with_constraints: bool = True, values: int = 5) -> Space:
    """Return a sound space of few values with a variable of every kind, tied together at random."""
    small = st.tuples(st.integers(0, 2), st.integers(0, values // 2)).map(lambda ends: (ends[0], sum(ends)))
    first = IntegerVariable("first", *draw(small), default=None)
    decided = st.sampled_from(["first > 0", "first == 1", "mode == 'a'", "mode == 'a' || first > 1", "has(first)"])
    optional = st.just("") | decided
    numbers = [IntegerVariable("number", *draw(small)) for _ in range(2)]
    otherwise = draw(st.none() | st.just(IntegerVariable("either", 7, 8)))
    made: list[Declared] = [
        first,
        ChoiceVariable("mode", ("a", "b")),
        HybridVariable("hybrid", tuple(map(HybridBranch, ("x", "y"), numbers)), when=draw(optional)),
        GroupVariable("group", (BooleanVariable("on"), IntegerVariable("n", *draw(small))), when=draw(optional)),
        ConditionalVariable("either", draw(decided), BooleanVariable("either"), otherwise, when=draw(optional)),
        ComputedVariable("computed", draw(st.sampled_from(["first * 2", "6 / first", "has(hybrid) ? 1 : 0", "mode"]))),
        IntegerVariable("last", *draw(small), when=draw(st.sampled_from(["", "first > 1", "computed == computed"]))),
    ]
    expressions = [
        "group.n > 0",
        "!has(hybrid) || hybrid.number > 0",
        "first < last",
        "count_active(hybrid, group) > 0",
    ]
    chosen = draw(st.lists(st.sampled_from(expressions), max_size=2)) if with_constraints else []
    constraints = tuple(Constraint(f"c{index}", expression) for index, expression in enumerate(chosen))
    return Space(tuple(draw(st.permutations(made))), constraints)


def _variables(name: str) -> st.SearchStrategy[Variable]:
    booleans = st.builds(BooleanVariable, st.just(name), st.none() | st.booleans())
    return st.one_of(floats(name), integers(name), choices(name), booleans)


def _named(variable: Variable, name: str) -> Variable:
    from dataclasses import replace

    return replace(variable, name=name)
