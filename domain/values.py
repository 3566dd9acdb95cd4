"""JSON values as the platform keeps them: checked, normalised, and hashed the same everywhere."""

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import NoneType
from typing import Any, TypeAlias

import orjson
import rfc8785

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with text keys."""

LARGEST_INTEGER = 2**53 - 1
"""Beyond it a double no longer tells neighbouring integers apart (RFC 7493)."""

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What variables, slots, interfaces, capabilities and hints are called."""

DEEPEST = 24
"""How many levels of lists and objects a value may have: protobuf reads a hundred messages within each other, an object
within another takes three of them, and what a value stands in takes some."""

_SHOWN_NAMES = 10
_WRITTEN_WITH_EXPONENT = 1e21  # RFC 8785 writes whole doubles below it with all their digits, as if they were exact


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a value: where, in words for the caller, and as a code for programs.

    Of a broken constraint it also names the constraint, the variables that it reads, and what might help.
    """

    path: str
    message: str
    code: str
    constraint: str = ""
    variables: tuple[str, ...] = ()
    suggested_fix: str = ""


class Invalid(Exception):  # noqa: N818 - the word a caller reads: the value is invalid
    """A value breaks its rules; carries every violation, not only the first."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{each.path}: {each.message}" for each in self.violations))


def normalise(value: Json, path: str = "value") -> Json:
    """Return the value with whole doubles as integers, as new lists and dicts.

    Raises Invalid, naming every place, for integers beyond 2^53, NaN, infinities, U+0000, lone surrogates, anything
    that is not JSON, and nesting deeper than DEEPEST.
    """
    try:
        return _whole(value, 0)
    except _Faulty:
        pass  # only what is refused pays for the names of its places
    violations: list[Violation] = []
    result = _normalise(value, path, 0, violations)
    if violations:
        raise Invalid(violations)
    return result


def canonical_json(values: Json) -> bytes:
    """Return the one byte string that RFC 8785 gives to equal JSON values; raises Invalid for what has none."""
    try:
        if _is_simple(values):
            with suppress(orjson.JSONEncodeError):  # half of a surrogate pair, or very deep
                return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
        return rfc8785.dumps(values)
    except (rfc8785.CanonicalizationError, RecursionError, ValueError) as failure:
        raise Invalid([Violation("value", f"has no canonical JSON: {failure}", "NOT_JSON")]) from failure


def _is_simple(values: Json) -> bool:
    """Tells what a quicker writer writes as RFC 8785 does: no doubles, no large integers, and ASCII names only."""
    kind = type(values)
    if kind is str or kind is bool or values is None:
        return True
    if kind is int:
        return bool(-(2**53) < values < 2**53)
    if kind is dict:
        for name, value in values.items():
            if type(name) is not str or not name.isascii() or not _is_simple(value):
                return False
        return True
    return kind is list and all(map(_is_simple, values))


def content_hash(values: Json) -> str:
    """Return the SHA-256 of the canonical JSON in hexadecimal: equal for equal values, whatever the order of keys."""
    return hashlib.sha256(canonical_json(values)).hexdigest()


_PLAIN = frozenset({str, int, float, bool, NoneType})
"""What is compared by itself: writing it down takes fifty times as long."""


def is_same(one: Json, other: Json) -> bool:
    """Tell whether two values are the same JSON: 1 and 1.0 are, 1 and true are not."""
    kinds = type(one), type(other)
    if _PLAIN.issuperset(kinds):
        return one is other if bool in kinds else one == other
    return canonical_json(one) == canonical_json(other)


def refused(path: str, message: str, code: str) -> Invalid:
    """Return the refusal of one value for one reason."""
    return Invalid([Violation(path, message, code)])


def shown(value: Json) -> str:
    """Return a value as text short enough for a message: as JSON where it is some, whole doubles as integers."""
    try:
        text = json.dumps(normalise(value), ensure_ascii=False)
    except (Invalid, RecursionError):
        text = _represented(value)
    return text if len(text) <= 60 else text[:57] + "..."


def some_of(names: Collection[str]) -> str:
    """Return names as a message tells them: the first ten, and how many more there are."""
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(islice(names, _SHOWN_NAMES)) + more


def _represented(value: Json) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # Python refuses to write integers of more than 4,300 digits
        return f"a {type(value).__name__} too large to show"


def told_faults(text: Any, path: str, longest: int) -> Iterator[Violation]:
    """Yield why something is no text for people of at most so many characters, or none that can be kept."""
    if not isinstance(text, str) or len(text) > longest:
        yield Violation(path, f"must be text of at most {longest} characters", "OUT_OF_RANGE")
    else:
        yield from _text_faults(text, path)


def is_number(value: Any) -> bool:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """Tell whether a value is a number that a double reaches."""
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # an integer that no double reaches
        return False


class _Faulty(Exception):  # noqa: N818 - it never leaves this module
    """Something in a value is not as it must be."""


def _whole(value: Json, depth: int) -> Json:
    """Return what `_normalise` makes of a value without faults, in a quarter of the time; else raises _Faulty."""
    kind = type(value)
    if kind is str:
        _text(value)
        return value
    if kind is bool or value is None:
        return value
    if depth > DEEPEST:
        raise _Faulty
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise _Faulty
            _text(key)
        return {key: _whole(item, depth + 1) for key, item in value.items()}
    if kind is list:
        return [_whole(item, depth + 1) for item in value]
    if kind is int or kind is float:
        return _number(value)
    raise _Faulty  # or a relative of these types, which `_normalise` knows


def _text(text: str) -> None:
    if "\x00" in text:
        raise _Faulty
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Faulty from None


def _number(value: float) -> float:
    if -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
        return int(value) if type(value) is float and value.is_integer() else value
    if type(value) is int or not math.isfinite(value) or _loses_digits(value):
        raise _Faulty
    return value


def _normalise(value: Json, path: str, depth: int, violations: list[Violation]) -> Json:
    if depth > DEEPEST:
        violations.append(Violation(path, f"is nested deeper than {DEEPEST} levels", "TOO_DEEP"))
    elif isinstance(value, Mapping):
        for key in value:
            violations.extend(_key_faults(key, path))
        return {key: _normalise(item, f"{path}.{key}", depth + 1, violations) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        return [_normalise(item, f"{path}[{index}]", depth + 1, violations) for index, item in enumerate(value)]
    else:
        violations.extend(_scalar_faults(value, path))
        if isinstance(value, float) and abs(value) <= LARGEST_INTEGER and value.is_integer():
            return int(value)
    return value


def _key_faults(key: Any, path: str) -> Iterator[Violation]:
    if not isinstance(key, str):
        yield Violation(path, f"has a name that is not text: {shown(key)}", "NOT_JSON")
    else:
        yield from _text_faults(key, path)


def _scalar_faults(value: Any, path: str) -> Iterator[Violation]:
    if isinstance(value, str):
        yield from _text_faults(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Violation(path, "must be a finite number", "NOT_FINITE")
    elif isinstance(value, int | float) and _loses_digits(value):
        yield Violation(path, "is an integer beyond 2^53, which JSON does not keep exactly; send text", "TOO_LARGE")
    elif not (value is None or isinstance(value, bool | int | float)):
        yield Violation(path, f"is not a JSON value but a {type(value).__name__}", "NOT_JSON")


def _loses_digits(number: float) -> bool:
    """Tells integers that doubles merge; a double from a Struct is taken for one if it is written like one."""
    if isinstance(number, int):
        return abs(number) > LARGEST_INTEGER
    return LARGEST_INTEGER < abs(number) < _WRITTEN_WITH_EXPONENT


def _text_faults(text: str, path: str) -> Iterator[Violation]:
    if "\x00" in text:
        yield Violation(path, "contains U+0000, which cannot be stored", "NUL_CHARACTER")
    try:
        text.encode()
    except UnicodeEncodeError:
        yield Violation(path, "contains half of a surrogate pair", "NOT_JSON")
