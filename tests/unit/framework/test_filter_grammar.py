"""The grammar of filters: what is read, how it binds, and where and why the rest is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import InvalidFields
from framework.query import Columns, filter_clause
from framework.query.grammar import (
    DEEPEST,
    LONGEST,
    LONGEST_PATH,
    MOST_NAMES,
    MOST_TERMS,
    Both,
    Either,
    Negation,
    Restriction,
    Tree,
    parsed,
)
from framework.resource import spec_of
from framework.storage import table_of
from framework.testing.specimen import Specimen

SPEC = spec_of(Specimen)
pieces = st.one_of(
    st.sampled_from(["AND", "OR", "NOT", "-", "(", ")", "=", "!=", "<", "<=", ">", ">=", ":", ".", "*", ",", "null"]),
    st.sampled_from([*SPEC.fields, "detail.big", "free.a", 'scores."b.c"', "now()", "ago(7d)", "ago(", "ago(9e9w)"]),
    st.sampled_from(['"a"', "'a'", '"', "'", '"\\', "1", "-0.5e3", "true", "red", "2026-01-01T00:00:00.5Z"]),
    st.text(max_size=4),
)
soup = st.one_of(
    st.lists(pieces, max_size=12).map("".join),
    st.lists(pieces, max_size=12).map(" ".join),
    st.text(max_size=30),
)


def shape(tree: Tree | None) -> str:
    """Returns a tree as text with every binding shown."""
    if isinstance(tree, Restriction):
        return f"{'/'.join(tree.path)}{tree.comparator}{tree.value.function}{tree.value.text}"
    if isinstance(tree, Negation):
        return f"!{shape(tree.part)}"
    assert isinstance(tree, Both | Either)
    return "(" + ("&" if isinstance(tree, Both) else "|").join(shape(p) for p in tree.parts) + ")"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a=1", "a=1"),
        ("a = 1 AND b = 2 AND c = 3", "(a=1&b=2&c=3)"),
        ("a=1 AND b=2 OR c=3 AND d=4", "(a=1&(b=2|c=3)&d=4)"),
        ("(a=1 AND b=2) OR c=3", "((a=1&b=2)|c=3)"),
        ("NOT a=1 OR -b=2", "(!a=1|!b=2)"),
        ("NOT (a=1 OR b=2)", "!(a=1|b=2)"),
        ("a=(1 OR 2)", "(a=1|a=2)"),
        ("a>(1 AND NOT -2)", "(a>1&!a>-2)"),
        ('a.b."c.d".e : x', "a/b/c.d/e:x"),
        ("a:*", "a:*"),
        ("a<=-5", "a<=-5"),
        ("-a<=-5", "!a<=-5"),
        ('a="x \\"y\\" \\\\"', 'a=x "y" \\'),
        ("a='it \"is\"'", 'a=it "is"'),
        ("a=2026-01-01T00:00:00+02:00", "a=2026-01-01T00:00:00+02:00"),
        ("a > ago( 7d )", "a>ago7d"),
        ("ANDY=1 AND ORA=2 AND NOTE=3", "(ANDY=1&ORA=2&NOTE=3)"),
        ("NOT(a=1)", "!a=1"),
    ],
)
def test_filters_bind_as_aip_160_says(text: str, meaning: str) -> None:
    """OR binds tighter than AND."""
    assert shape(parsed(text)) == meaning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "at position 2: found the end; expected one of = != < <= > >= : after a field"),
        ("a b", "at position 3: found b; expected one of"),
        ("a = ", "at position 5: found the end; expected a value"),
        ("a = b c", "at position 7: found c; expected AND, OR or the end"),
        ("a = b AND", "at position 10: found the end; expected a field"),
        ("a = AND b = 1", "at position 5: found AND; expected a value"),
        ("(a = 1", "at position 7: found the end; expected AND, OR or )"),
        ("a = 1)", "at position 6: found ); expected AND, OR or the end"),
        ('a = "b', "at position 5: found a string without its closing quote"),
        ("a = ago(7d", "at position 11: found the end; expected )"),
        ("= 1", "at position 1: found =; expected a field"),
        ("a..b = 1", "at position 3: found .b; expected a field"),
        ("a = \0", "at position 5: found U+0000"),
        ("nothing = 1", "at position 1: nothing is no field to filter by; there are anything, big, color"),
        ("name.x = 1", "at position 1: name has no fields"),
        ("small = 1.5", "at position 9: found 1.5; expected a value of type integer"),
        ("small = 2147483648", "at position 9: found 2147483648; expected a value of type integer"),
        ("ratio = nan", "at position 9: found nan; expected a value of type double precision"),
        ("flag = yes", "at position 8: found yes; expected a value of type boolean"),
        ("color = blue", "at position 9: found blue; expected a value of type enum"),
        ("color < red", "at position 9: an enum has no order; expected = or !="),
        ("owner_id = me", "at position 12: found me; expected a value of type uuid"),
        ("ended_at > soon", "at position 12: found soon; expected a value of type timestamp"),
        ("ended_at > later(7d)", "at position 12: found later(); there are now(), ago(DURATION)"),
        ("ended_at > ago(7y)", "at position 12: ago() takes a duration up to a century"),
        ("ended_at > ago(99999w)", "at position 12: ago() takes a duration up to a century"),
        ("name = now()", "at position 8: now() is a time, not a value of type text"),
        ("name = null", "at position 8: name is never null"),
        ("ended_at < null", "at position 12: null has no order"),
        ("name = *x AND name > *", "at position 22: found > before *; expected :"),
        ("tags = a", "at position 8: found = before a list; expected :"),
        ("scores = a", "at position 10: found = before a map; expected :"),
        ("detail = 1", "at position 1: detail cannot be compared"),
        ("detail.text.x = 1", "at position 1: detail.text has no fields"),
        ("detail.inner.nope = 1", "at position 1: detail.inner has no field nope; there are at, big, color"),
        ("detail.at.seconds = 1", "at position 1: detail.at has no field seconds"),
        ("details.count:x", "at position 15: found x; expected a value of type integer"),
        ("scores.a > x", "at position 12: found x; expected a value of type number"),
        ("free.a = ago(1d)", "at position 10: ago() is a time, and nothing here is declared to be one"),
    ],
)
def test_refusals_say_where_and_what_would_be_right(text: str, message: str) -> None:
    """Positions count from 1."""
    with pytest.raises(InvalidFields) as refused:
        filter_clause(text, Columns(SPEC.fields, table_of(SPEC)))
    (violation,) = refused.value.violations
    assert violation.path == "filter"
    assert violation.message.startswith(message), violation.message


@given(soup)
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    """No other exception, and every refusal points into the text."""
    try:
        filter_clause(text, Columns(SPEC.fields, table_of(SPEC)))
    except InvalidFields as refused:
        (violation,) = refused.violations
        found = re.match(r"at position (\d+): ", violation.message)
        assert violation.path == "filter" and found, violation.message
        assert 1 <= int(found[1]) <= len(text) + 1


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("a=" + "x" * LONGEST, f"longer than {LONGEST} characters"),
        ("(" * (DEEPEST + 1) + "a=1", f"deeper than {DEEPEST}"),
        (" AND ".join(["a=1"] * (MOST_TERMS + 1)), f"more than {MOST_TERMS} comparisons"),
        ("a=(" + " OR ".join(["1"] * (MOST_TERMS + 1)) + ")", f"more than {MOST_TERMS} comparisons"),
        (".".join(["a"] * (LONGEST_PATH + 1)) + "=1", f"more than {LONGEST_PATH} names"),
        (" AND ".join(["a.b.c.d.e=1"] * 21), f"more than {MOST_NAMES} names"),
    ],
)
def test_filters_are_bounded(text: str, bound: str) -> None:
    """In length, depth, comparisons and names: what is refused costs next to nothing."""
    with pytest.raises(InvalidFields) as refused:
        parsed(text)
    assert bound in refused.value.violations[0].message


@pytest.mark.parametrize("name", ["secret", "hidden_key", "lock_version", "organization_id", "etag", "rowid"])
@pytest.mark.parametrize("where", ["", "detail.", "details.", "detail.inner."])
def test_what_may_not_be_read_cannot_be_probed(name: str, where: str) -> None:
    """Sensitive, hidden and unknown fields answer alike, however they are asked."""

    def answer(field: str, rest: str) -> str:
        with pytest.raises(InvalidFields) as refused:
            filter_clause(f"{where}{field}{rest}", Columns(SPEC.fields, table_of(SPEC)))
        return refused.value.violations[0].message.replace(field, "")

    for rest in ("=1", ":*", " != null", ".a:x"):
        unheard_of = "x" * len(name)
        assert answer(name, rest) == answer(unheard_of, rest)
        assert "secret" not in answer(unheard_of, rest)
