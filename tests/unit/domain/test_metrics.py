"""Metrics: exact match, shared words, means."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metrics import METRICS, exact_match, mean, token_f1
from domain.metrics.judging import Scale, scale_of
from domain.metrics.pairing import paired
from domain.metrics.params import faults
from domain.metrics.vectors import cosine, ngrams
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


@pytest.mark.parametrize(
    ("name", "expected", "predicted", "params", "score"),
    [
        ("normalised_match", "The Hague!", "hague", {}, 1.0),
        ("normalised_match", "the", "The", {}, 1.0),
        ("normalised_match", "the", "a", {}, 0.0),
        ("contains", "New York", "It is in new  york, USA.", {}, 1.0),
        ("contains", "York", "Yorkshire", {}, 0.0),
        ("numeric_tolerance", 100, "1,01e1", {}, 0.0),
        ("numeric_tolerance", 1250.5, "1,250.5", {}, 1.0),
        ("numeric_tolerance", 100, 104, {"relative": 0.05}, 1.0),
        ("numeric_tolerance", 100, 106, {"relative": 0.05, "absolute": 5.0}, 0.0),
        ("numeric_tolerance", "ten", "Ten ", {}, 1.0),
        ("numeric_tolerance", 1, True, {}, 0.0),
        ("json_match", '{"a": 1, "b": [1, 2]}', {"a": 1.0, "b": [1, 3], "c": 9}, {}, 2 / 3),
        ("json_match", {"a": []}, "[", {}, 0.0),
        ("json_match", [{"a": "X "}], [{"a": "x"}], {}, 1.0),
        ("json_match", "[1]", "[NaN]", {}, 0.0),
        ("json_match", "[1]", f"[{10**30}]", {}, 0.0),
        ("json_match", "[1]", "[" * 500 + "]" * 500, {}, 0.0),
    ],
)
def test_each_metric_scores_as_it_says(name: str, expected: Any, predicted: Any, params: Any, score: float) -> None:
    """Of one field."""
    metric = METRICS[name].score
    assert metric is not None and metric({"a": expected}, {"a": predicted}, params) == pytest.approx(score)


@given(FIELDS, FIELDS)
def test_every_metric_stays_in_its_range_and_is_perfect_on_the_truth(expected: Any, predicted: Any) -> None:
    """The declared range holds, and the expected answer itself scores best."""
    for metric in METRICS.values():
        if metric.score is not None:
            assert metric.measure.low <= metric.score(expected, predicted, {}) <= metric.measure.high
            assert metric.score(expected, expected, {}) == metric.measure.high


def test_metrics_are_registered_by_name() -> None:
    """X-50: a name is looked up in a table and never turned into code."""
    assert all(name == metric.measure.name for name, metric in METRICS.items())
    assert {name for name, metric in METRICS.items() if metric.score is None} == {
        "regex",
        "embedding_similarity",
        "lm_judge",
    }


def test_the_mean_of_nothing_is_nothing() -> None:
    """And no zero."""
    assert mean([1.0, 0.5]) == 0.75
    with pytest.raises(ValueError, match="no scores"):
        mean([])


@pytest.mark.parametrize(
    ("name", "told", "paths"),
    [
        ("regex", {}, ["pattern"]),
        ("regex", {"pattern": ""}, ["pattern"]),
        ("regex", {"pattern": "x", "flags": "i"}, ["flags"]),
        ("numeric_tolerance", {"absolute": -1, "relative": "x"}, ["absolute", "relative"]),
        ("numeric_tolerance", 3, [""]),
        ("exact_match", {"fields": []}, ["fields"]),
        ("lm_judge", {"rubric": "x", "calibration": [[1, 0], [1, 1]]}, ["calibration"]),
        ("lm_judge", {"rubric": "x", "calibration": [[1, 0], [5, 1]], "low": 0}, []),
    ],
)
def test_what_a_metric_cannot_be_told_is_named(name: str, told: Any, paths: list[str]) -> None:
    """Every fault at once, each with its parameter."""
    assert [path for path, _ in faults(METRICS[name].params, told)] == paths


def test_a_judges_marks_are_calibrated() -> None:
    """Straight between the ends of the scale, or between what marks turned out to mean."""
    plain = Scale()
    assert [plain.score(mark) for mark in (1, 2, 5)] == [0.0, 0.25, 1.0]
    lenient = scale_of({"calibration": [[2, 0.0], [4, 0.6], [5, 1.0]]})
    assert [lenient.score(mark) for mark in (1, 2, 3, 4, 4.5, 5)] == pytest.approx([0, 0, 0.3, 0.6, 0.8, 1])
    with pytest.raises(ValueError, match="not on the scale"):
        plain.score(6)
    with pytest.raises(ValueError, match="less than"):
        scale_of({"low": 5})


def test_vectors_are_like_what_they_are_of() -> None:
    """Equal texts wholly, texts without a common letter not at all."""
    one, near, far = map(ngrams, ("a cat sat", "A cat sat!", "xyz"))
    assert cosine(one, one) == pytest.approx(1.0)
    assert 0.5 < cosine(one, near) < 1 and cosine(one, far) == 0.0 == cosine(one, [0.0] * len(one))


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_vectors_of_any_length_have_an_angle(size: float) -> None:
    """Also where their products are beyond all doubles."""
    assert cosine([size, size], [size, size]) == pytest.approx(1.0)
    assert cosine([size, size], [size, -size]) == pytest.approx(0.0)


def test_a_paired_test_tells_chance_from_difference() -> None:
    """Exact for few pairs, seeded for many; the interval holds the mean."""
    assert paired([0.0, 0.0]).p_value == 1.0
    assert paired([1.0] * 4).p_value == pytest.approx(2 / 2**4)
    assert paired([1.0, -1.0]).p_value == 1.0
    better = [1.0 if i % 3 else 0.0 for i in range(60)]
    found = paired(better, seed=1)
    assert found == paired(better, seed=1)
    spread = [float(i) for i in range(40)]
    assert paired(spread, seed=1) != paired(spread, seed=2)
    assert found.p_value < 0.001 and found.low < found.difference < found.high
    assert found.difference == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="no pairs"):
        paired([])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_the_exact_test_is_what_counting_all_signs_gives(differences: list[int]) -> None:
    """Whichever way round."""
    ways = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    share = sum(abs(way) >= abs(sum(differences)) for way in ways) / len(ways)
    assert paired(differences).p_value == pytest.approx(share) == paired([-d for d in differences]).p_value
