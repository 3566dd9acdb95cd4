"""Metrics of text: the same, the same words, within, and how far words overlap."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from domain.metrics.measure import mean
from domain.values import Json, canonical_json, normalise

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})


def exact_match(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return 1 if every expected field was predicted, else 0; case, outer space and Unicode form do not matter."""
    return float(all(name in predicted and _key(value) == _key(predicted[name]) for name, value in expected.items()))


def normalised_match(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return 1 if every expected field has the same words, else 0; punctuation and English articles do not matter."""
    return float(all(name in predicted and _bare(value) == _bare(predicted[name]) for name, value in expected.items()))


def contains(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return the share of the expected fields whose words stand in the predicted ones, in their order."""
    return _shared(expected, lambda name, value: float(name in predicted and _within(value, predicted[name])))


def token_f1(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return the mean over the expected fields of the F1 of shared words; a missing field counts 0."""
    return _shared(expected, lambda name, value: _f1(value, predicted[name]) if name in predicted else 0.0)


def text_of(value: Json) -> str:
    """Return text as it is, and other values as canonical JSON."""
    return value if isinstance(value, str) else canonical_json(normalise(value)).decode()


def _shared(expected: Mapping[str, Json], score: Any) -> float:
    return mean(score(name, value) for name, value in expected.items()) if expected else 1.0


def _key(value: Json) -> Json:
    """Return what equal answers share: plain text for text, canonical JSON for the rest (1 is not true)."""
    return _plain(value) if isinstance(value, str) else canonical_json(normalise(value))


def _plain(text: str) -> str:
    # Folding case may undo the composed form, so compose again.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


def _bare(value: Json) -> list[str]:
    words = [word for word in _parts(value) if word not in _ARTICLES]
    return words or _parts(value) or [_plain(text_of(value))]


def _parts(value: Json) -> list[str]:
    return _WORD.findall(_plain(text_of(value)))


def _within(value: Json, other: Json) -> bool:
    return f" {' '.join(_bare(value))} " in f" {' '.join(_bare(other))} "


def _f1(expected: Json, predicted: Json) -> float:
    wanted, given = Counter(_words(expected)), Counter(_words(predicted))
    if not wanted and not given:
        return 1.0
    return 2 * (wanted & given).total() / (wanted.total() + given.total())


def _words(value: Json) -> list[str]:
    return _plain(text_of(value)).split()
