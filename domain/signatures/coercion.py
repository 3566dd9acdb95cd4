"""The lenient reading of values: what is made of text that a model or a table of texts holds.

Strictly, a whole double is a whole number, a whole number is a number, and nothing else is anything else. Leniently,
text loses the space around it where the field holds no text; `3` and `3.0` are numbers; `true`, `yes`, `1` and their
opposites are truth values, in any case; a number or truth value is text where text is wanted; text that is JSON of a
list or an object is that; a list of texts may be one text of several lines or commas; a choice may be written in
another case. A number that is not whole is never made whole, and a value that fits is left alone.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from domain.signatures.field import Field
from domain.signatures.kinds import UNIT
from domain.values import Json, is_number

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def coerced(fields: Sequence[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    """Return values with each that is known read leniently; what cannot be read stays as it is, to be refused."""
    known = {field.name: field for field in fields}
    return {name: _coerced(known[name], value) if name in known else value for name, value in values.items()}


def _coerced(field: Field, value: Json) -> Json:
    if field.nullable and isinstance(value, str) and value.strip().lower() in ("", "null", "none"):
        return value if field.kind == "string" and not value.strip() else None
    if isinstance(value, str) and field.kind not in ("string", "enum", "date_time"):
        value = _read(field.kind, value.strip())
    elif isinstance(value, str) and (field.choices or field.kind == "date_time"):
        value = _chosen(field, value.strip())
    elif field.kind == "string" and (is_number(value) or isinstance(value, bool)):
        value = json.dumps(value)
    return _within(field, value)


def _within(field: Field, value: Json) -> Json:
    if field.items is not None and isinstance(value, list):
        return [_coerced(field.items, each) for each in value]
    if field.properties and isinstance(value, Mapping):
        return coerced(field.properties, value)
    return value


def _chosen(field: Field, text: str) -> str:
    folded = {choice.casefold(): choice for choice in reversed(field.choices)}
    return text if text in field.choices else folded.get(text.casefold(), text)


def _read(kind: str, text: str) -> Json:
    if kind == "boolean":
        return _TRUTH.get(text.lower(), text)
    if kind in ("integer", "number") or kind in UNIT:
        return _number(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    return _listed(text) if kind in ("string_list", "token_list") else text


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    try:
        return int(text)
    except ValueError:
        return int(number) if number.is_integer() else number


def _listed(text: str) -> list[str]:
    parts = text.splitlines() if "\n" in text else text.split(",")
    return [part.strip().removeprefix("- ") for part in parts if part.strip()]
