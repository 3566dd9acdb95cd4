"""Metrics: how near a prediction comes to what was expected, as a number in a declared range."""

import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.aggregation import Aggregation
from domain.objectives import Direction
from domain.values import Json, canonical_json, normalise

Score = Callable[[Mapping[str, Json], Mapping[str, Json], Mapping[str, Any]], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is promised of a score: name, range, better direction, unit, and how examples become one number."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    direction: Direction = "maximize"
    unit: str = ""
    aggregation: Aggregation = "mean"
    description: str = ""

    @property
    def worst(self) -> float | None:
        """The score of a prediction that failed; None when the range has no end on that side."""
        end = self.low if self.direction == "maximize" else self.high
        return end if math.isfinite(end) else None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of our own: what it promises, and its function of (expected, predicted, params)."""

    measure: Measure
    score: Score


def exact_match(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return 1 if every expected field was predicted, else 0; case, outer space and Unicode form do not matter."""
    return float(all(name in predicted and _key(value) == _key(predicted[name]) for name, value in expected.items()))


def token_f1(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return the mean over the expected fields of the F1 of shared words; a missing field counts 0."""
    if not expected:
        return 1.0
    return mean(_f1(value, predicted[name]) if name in predicted else 0.0 for name, value in expected.items())


def mean(scores: Iterable[float | None], worst: float = 0.0) -> float:
    """Return the mean, None counting as the worst score: failures are not left out. Of nothing it raises."""
    known = [worst if score is None else score for score in scores]
    if not known:
        raise ValueError("the mean of no scores")
    return math.fsum(known) / len(known)


def _key(value: Json) -> Json:
    """Return what equal answers share: plain text for text, canonical JSON for the rest (1 is not true)."""
    return _plain(value) if isinstance(value, str) else canonical_json(normalise(value))


def _plain(text: str) -> str:
    # Folding case may undo the composed form, so compose again.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def _f1(expected: Json, predicted: Json) -> float:
    wanted, given = Counter(_words(expected)), Counter(_words(predicted))
    if not wanted and not given:
        return 1.0
    return 2 * (wanted & given).total() / (wanted.total() + given.total())


def _words(value: Json) -> list[str]:
    text = value if isinstance(value, str) else canonical_json(normalise(value)).decode()
    return _plain(text).split()


_EXACT = Measure("exact_match", 0.0, 1.0, description="The share of answers that match in every expected field.")
_F1 = Measure("token_f1", 0.0, 1.0, description="How far the words of answer and expectation overlap, as F1.")
METRICS: dict[str, Metric] = {each.measure.name: each for each in (Metric(_EXACT, exact_match), Metric(_F1, token_f1))}
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
