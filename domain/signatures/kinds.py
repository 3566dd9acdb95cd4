"""The kinds of fields: the words for each, and which constraints it knows."""

import re
from collections.abc import Mapping

PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""What a property of an object may be called."""

MOST_PROPERTIES = 100
"""How many fields an object, or a side of a signature, may have."""

_NUMERIC = frozenset({"minimum", "maximum"})
_STEPPED = _NUMERIC | {"multiple_of"}
_TEXT = frozenset({"min_length", "max_length", "pattern"})
_LONG = frozenset({"min_items", "max_items"})
_LIST = _LONG | {"unique_items"}

WORDS: Mapping[str, str] = {
    "string": "text",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "string_list": "a list of texts",
    "enum": "one of its choices",
    "array": "a list",
    "object": "an object",
    "date_time": "RFC 3339 text with an offset, such as 2026-11-30T12:00:00Z",
    "probability": "a number from 0 to 1",
    "confidence": "a number from 0 to 1",
    "embedding": "a list of finite numbers",
    "token_list": "a list of texts or whole numbers from 0",
    "reasoning_chain": "a list of objects with step and reasoning",
    "tensor": "lists of finite numbers, of one length at each level",
}
"""What a value of each kind must be."""

CONSTRAINTS: Mapping[str, frozenset[str]] = {
    "string": _TEXT,
    "integer": _STEPPED,
    "number": _STEPPED,
    "probability": _NUMERIC,
    "confidence": _NUMERIC,
    "string_list": _LIST,
    "array": _LIST,
    "token_list": _LIST,
    "reasoning_chain": _LONG,
}
"""The constraints that fields of a kind may have."""

TUNABLE = frozenset({"integer", "number", "boolean", "probability", "confidence"})
"""The kinds of inputs that may be tuned; texts with choices may, too."""

UNIT = frozenset({"probability", "confidence"})
"""The kinds of numbers from 0 to 1."""

CHOOSING = frozenset({"string", "enum"})
"""The kinds that may have choices."""
