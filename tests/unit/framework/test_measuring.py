"""Measures and groups as people write them: read by type, refused with the position and what would be right there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import InvalidFields
from framework.query import Columns
from framework.query.measuring import groups_from, measures_from
from framework.resource import Kind, spec_of
from framework.storage import table_of
from framework.testing.specimen import Specimen

SPEC = spec_of(Specimen)
COLUMNS = Columns(SPEC.fields, table_of(SPEC))


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("count()", "count", Kind.BIGINT),
        (" count ( ) as n ", "n", Kind.BIGINT),
        ("count(hint)", "count_hint", Kind.BIGINT),
        ("count_distinct(owner_id)", "count_distinct_owner_id", Kind.BIGINT),
        ("sum(small)", "sum_small", Kind.BIGINT),
        ("sum(ratio)", "sum_ratio", Kind.DOUBLE),
        ("avg(big) as mean", "mean", Kind.DOUBLE),
        ("min(name)", "min_name", Kind.TEXT),
        ("max(created_at) as last", "last", Kind.TIMESTAMP),
        ("p95(weight)", "p95_weight", Kind.DOUBLE),
        ("histogram(ratio, 7)", "histogram_ratio", Kind.JSON),
        ("count() as as", "as", Kind.BIGINT),
    ],
)
def test_measures_have_a_name_and_a_type(text: str, name: str, kind: Kind) -> None:
    """Their own name unless another is given."""
    (found,) = measures_from([text], COLUMNS)
    assert (found.result.name, found.result.kind) == (name, kind)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 1, "expected a measure"),
        ("median(small)", 1, "median is no measure; there are count, count_distinct"),
        ("avg", 4, "found the end; expected ("),
        ("avg()", 5, "expected a field"),
        ("avg(nothing)", 5, "nothing is no field"),
        ("avg(secret)", 5, "secret is no field"),
        ("count(detail)", 7, "detail is no field"),
        ("avg(name)", 5, "avg cannot measure name, which is of type text"),
        ("max(color)", 5, "max cannot measure color, which is of type enum"),
        ("avg(small", 10, "found the end; expected )"),
        ("avg(small) mean", 12, "found mean; expected `as`"),
        ("avg(small) as", 14, "found the end; expected a name"),
        ("avg(small) as a b", 17, "found b; expected `as`"),
        ("histogram(small, 0)", 18, "how many bins, 1 to 100"),
        ("histogram(small, 101)", 18, "how many bins, 1 to 100"),
        ("histogram(small, x)", 18, "how many bins, 1 to 100"),
        ("avg(small, 3)", 10, "found ,; expected )"),
    ],
)
def test_refused_measures_say_where(text: str, position: int, words: str) -> None:
    """The position is counted from 1; fields that are unknown, sensitive or have no single value answer alike."""
    with pytest.raises(InvalidFields) as refused:
        measures_from(["count()", text], COLUMNS)
    (violation,) = refused.value.violations
    assert violation.path == "measures[1]"
    assert violation.message.startswith(f"at position {position}: ") and words in violation.message


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("nothing", 1, "nothing is no field"),
        ("secret", 1, "secret is no field"),
        ("tags", 1, "tags is no field"),
        ("fortnight(created_at)", 1, "fortnight is no stretch of time; there are minute, hour, day, week, month"),
        ("day(small)", 5, "small is no time"),
        ("day(created_at) by", 17, "found by; expected `as`"),
    ],
)
def test_refused_groups_say_where(text: str, position: int, words: str) -> None:
    """In the words of measures."""
    with pytest.raises(InvalidFields) as refused:
        groups_from([text], COLUMNS)
    (violation,) = refused.value.violations
    assert violation.path == "group_by[0]"
    assert violation.message.startswith(f"at position {position}: ") and words in violation.message


def test_measures_are_bounded_together() -> None:
    """By the bins of histograms, and by what takes more than a column."""
    deep = [f"avg(scores.a) as m{i}" for i in range(9)]
    for texts in (["histogram(small, 60) as a", "histogram(small, 41) as b"], deep):
        with pytest.raises(InvalidFields) as refused:
            measures_from(texts, COLUMNS)
        assert [v.path for v in refused.value.violations] == ["measures"]


@given(st.text(max_size=60) | st.text("avgcountp95()smalday_,. 019as", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else happens, and what a name may be is bounded."""
    for read in (measures_from, groups_from):
        try:
            (found,) = read([text], COLUMNS)
        except InvalidFields:
            continue
        assert found.result.name.isidentifier() and len(found.result.name) <= 160
