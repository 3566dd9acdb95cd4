"""Metrics of numbers and JSON: within a tolerance, and leaf by leaf."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from domain.metrics.measure import mean
from domain.metrics.text import exact_match
from domain.values import Invalid, Json, is_finite, normalise

_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)?(\.\d+)?([eE][+-]?\d{1,3})?")
_LONGEST = 1_000_000


def numeric_tolerance(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return the share of the expected numbers that were predicted within the tolerance.

    The allowed distance is `absolute`, or `relative` times the expected number, whichever is greater. Text is read as a
    number where it is one, such as `1,250.5`; an expected value that is none must be matched exactly.
    """
    if not expected:
        return 1.0
    absolute, relative = params.get("absolute", 0.0), params.get("relative", 1e-9)
    return mean(_fits(value, predicted.get(name), absolute, relative) for name, value in expected.items())


def json_match(expected: Mapping[str, Json], predicted: Mapping[str, Json], params: Mapping[str, Any]) -> float:
    """Return the share of the expected values, at any depth of JSON, that were predicted in the same place.

    Text that is JSON is read as such; more than was expected does not matter.
    """
    wanted = [(path, value) for name, field in expected.items() for path, value in _leaves(_read(field), (name,))]
    if not wanted:
        return 1.0
    given = {path: value for name, field in predicted.items() for path, value in _leaves(_read(field), (name,))}
    return mean(float(path in given and exact_match({"": value}, {"": given[path]}, {})) for path, value in wanted)


def _fits(value: Json, other: Json, absolute: float, relative: float) -> float:
    wanted, given = _number(value), _number(other)
    if wanted is None:
        return exact_match({"": value}, {"": other}, {})
    return float(given is not None and abs(wanted - given) <= max(absolute, relative * abs(wanted)))


def _number(value: Json) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if not any(each.isdigit() for each in text) or not _NUMBER.fullmatch(text):
            return None
        found = float(text.replace(",", ""))
        return found if math.isfinite(found) else None
    return float(value) if is_finite(value) else None


def _read(value: Json) -> Json:
    if not isinstance(value, str) or len(value) > _LONGEST or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return normalise(json.loads(value))
    except (ValueError, RecursionError, Invalid):  # NaN and its like are none of JSON's
        return value


def _leaves(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    """Yields what a value consists of, with its places; empty lists and objects are leaves."""
    inner: Mapping[Any, Json] = value if isinstance(value, Mapping) else {}
    if isinstance(value, list):
        inner = dict(enumerate(value))
    if not inner:
        yield path, value
    for name, each in inner.items():
        yield from _leaves(each, (*path, name))
