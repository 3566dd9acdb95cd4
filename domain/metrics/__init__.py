"""Metrics: how near a prediction comes to what was expected, as a number in a declared range."""

from domain.metrics.measure import Measure, Metric, Score, mean
from domain.metrics.params import FIELDS, Param
from domain.metrics.structured import json_match, numeric_tolerance
from domain.metrics.text import contains, exact_match, normalised_match, token_f1

__all__ = [
    "BUILT_IN",
    "COST",
    "LATENCY",
    "METRICS",
    "Measure",
    "Metric",
    "Score",
    "contains",
    "exact_match",
    "json_match",
    "mean",
    "normalised_match",
    "numeric_tolerance",
    "token_f1",
]


def _of(name: str, score: Score | None, description: str, *params: Param, low: float = 0.0) -> Metric:
    return Metric(Measure(name, low, 1.0, description=description), score, (FIELDS, *params))


_ALL = (
    _of("exact_match", exact_match, "The share of answers that match in every expected field."),
    _of("token_f1", token_f1, "How far the words of answer and expectation overlap, as F1."),
    _of("normalised_match", normalised_match, "The same words in every field, punctuation and articles left out."),
    _of("contains", contains, "The share of expected fields whose words stand in the answer."),
    _of(
        "regex",
        None,
        "The share of fields that a regular expression matches somewhere.",
        Param("pattern", "text", "The expression, in Rust's syntax: matched in linear time.", True, longest=1000),
    ),
    _of(
        "numeric_tolerance",
        numeric_tolerance,
        "The share of expected numbers that were answered within a tolerance.",
        Param("absolute", "number", "The allowed distance; 0 when absent.", low=0.0),
        Param("relative", "number", "The same as a share of the expected number; 1e-9 when absent.", low=0.0),
    ),
    _of("json_match", json_match, "The share of expected values, at any depth of JSON, that were answered in place."),
    _of(
        "embedding_similarity",
        None,
        "The cosine of the vectors of answer and expectation.",
        Param("model", "text", "The model of the vectors; `local/ngrams`, which knows no meaning, when absent."),
        low=-1.0,
    ),
    _of(
        "lm_judge",
        None,
        "What a model thinks of the answer by a rubric, on its scale from 0 to 1.",
        Param("rubric", "text", "What is good, and which mark stands for what.", True),
        Param("low", "number", "The lowest mark; 1 when absent."),
        Param("high", "number", "The highest mark; 5 when absent."),
        Param("calibration", "pairs", "What marks turned out to mean, from 0 to 1: [[mark, meaning], …]."),
        Param("model", "text", "The judge; the model of programs that name none when absent."),
    ),
)
METRICS: dict[str, Metric] = {each.measure.name: each for each in _ALL}
"""The metrics that come with the platform, by name."""

COST = Measure("cost", 0.0, direction="minimize", unit="micros", description="Millionths of a credit per example.")
LATENCY = Measure(
    "latency_ms",
    0.0,
    direction="minimize",
    unit="ms",
    aggregation="p50",
    description="Time in the model or in custom code per example, without queueing and retries.",
)
BUILT_IN: dict[str, Measure] = {m.name: m for m in (*(each.measure for each in METRICS.values()), COST, LATENCY)}
"""Everything that can be measured without registering a metric, by name: nobody else may take these names."""
