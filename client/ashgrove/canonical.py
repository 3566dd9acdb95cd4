"""Canonical JSON: RFC 8785, written by the standard library where both write the same; needs rfc8785."""

import json
from typing import Any

import rfc8785

_LARGEST = 2**53 - 1
_SMALLEST_PLAIN = 1e-4
_quick = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> bytes:
    """Returns the one text that RFC 8785 gives to equal values, in UTF-8; raises ValueError for what has none."""
    return _quick(value).encode() if _is_simple(value) else rfc8785.dumps(value)


def _is_simple(value: Any) -> bool:
    """Says whether nothing is in a value that the two write differently: doubles beyond the plain, names beyond ASCII.

    RFC 8785 writes doubles as ECMAScript does, and orders names by their UTF-16. Fractions of a plain size are the same
    shortest digits in both; whole doubles have a point in Python, and exponents begin elsewhere.
    """
    kind = type(value)
    if kind is dict:
        return all(type(k) is str and k.isascii() for k in value) and all(map(_is_simple, value.values()))
    if kind is list:
        return all(map(_is_simple, value))
    if kind is int:
        return bool(-_LARGEST <= value <= _LARGEST)
    if kind is float:
        return _SMALLEST_PLAIN <= abs(value) <= _LARGEST and not value.is_integer()
    return kind is str or kind is bool or value is None
