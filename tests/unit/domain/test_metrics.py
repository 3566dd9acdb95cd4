"""Metrics: exact match, shared words, means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metrics import METRICS, exact_match, mean, token_f1
from tests.unit.domain.arbitrary import SCALARS, TEXT

FIELDS = st.dictionaries(TEXT, SCALARS, min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("expected", "predicted", "score"),
    [
        ({"a": "Straße"}, {"a": " STRASSE\n"}, 1.0),
        ({"a": "é"}, {"a": "e\u0301"}, 1.0),
        ({"a": "sv"}, {"a": "sv", "reasoning": "whatever"}, 1.0),
        ({"a": "sv", "b": 1}, {"a": "sv", "b": 1.0}, 1.0),
        ({"a": "sv", "b": 1}, {"a": "sv", "b": True}, 0.0),
        ({"a": "sv"}, {"a": "nb"}, 0.0),
        ({"a": "sv"}, {}, 0.0),
        ({"a": 1}, {"a": "1"}, 0.0),
        ({"a": ["x", {"k": 1}]}, {"a": ["x", {"k": 1}]}, 1.0),
    ],
)
def test_exact_match_wants_every_expected_field(expected: Any, predicted: Any, score: float) -> None:
    """Case, outer space and Unicode form do not matter; types do."""
    assert exact_match(expected, predicted, {}) == score


@pytest.mark.parametrize(
    ("expected", "predicted", "score"),
    [
        ("a b", "A  b", 1.0),
        ("a b", "b c", 0.5),
        ("a a b", "a", 0.5),
        ("a", "b", 0.0),
        ("", "", 1.0),
        ("a", "", 0.0),
        (12, "12", 1.0),
    ],
)
def test_token_f1_counts_shared_words(expected: Any, predicted: Any, score: float) -> None:
    """2 x shared / (expected + predicted)."""
    assert token_f1({"a": expected}, {"a": predicted}, {}) == pytest.approx(score)


def test_token_f1_is_the_mean_over_the_expected_fields() -> None:
    """A missing field counts 0."""
    assert token_f1({"a": "x", "b": "y"}, {"a": "x"}, {}) == 0.5


@given(FIELDS, FIELDS)
def test_every_metric_stays_in_its_range_and_is_perfect_on_the_truth(expected: Any, predicted: Any) -> None:
    """The declared range holds, and the expected answer itself scores best."""
    for metric in METRICS.values():
        low, high = metric.measure.low, metric.measure.high
        assert low <= metric.score(expected, predicted, {}) <= high
        assert metric.score(expected, expected, {}) == high
        assert metric.measure.worst == low


def test_metrics_are_registered_by_name() -> None:
    """X-50: a name is looked up in a table and never turned into code."""
    assert {name: metric.measure.name for name, metric in METRICS.items()} == {
        "exact_match": "exact_match",
        "token_f1": "token_f1",
    }


def test_failures_count_in_the_mean() -> None:
    """As the metric's worst value; the mean of nothing is nothing, not zero."""
    assert mean([1.0, None, 0.5]) == 0.5
    assert mean([1.0, None], worst=-1.0) == 0.0
    with pytest.raises(ValueError, match="no scores"):
        mean([])
