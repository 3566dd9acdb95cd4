"""Values as users write them, read by the type of the field they are compared with, so that no cast is left to SQL."""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import ColumnElement, DateTime, Interval, func, literal

from framework.query.grammar import Value, refused

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][+-]?[0-9]{1,4})?")
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = timedelta(days=36525)
_FUNCTIONS = "now(), ago(DURATION) and from_now(DURATION), such as ago(7d)"


def of_kind(read: Callable[[str], Any], value: Value, kind: str) -> Any:
    """Returns a value read by one of the readers below; refuses what it cannot read, naming the kind."""
    if value.function:
        raise refused(value.at, f"{value.function}() is a time, not a value of type {kind}")
    try:
        return read(value.text)
    except (ValueError, OverflowError, KeyError):
        raise refused(value.at, f"found {value.text[:40]}; expected a value of type {kind}") from None


def integer(bits: int, *, signed: bool = True) -> Callable[[str], int]:
    """Returns the reader of integers of so many bits."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not low <= int(text) < high:
            raise ValueError(text)
        return int(text)

    return read


def double(text: str) -> float:
    """Reads a finite number."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def boolean(text: str) -> bool:
    """Reads `true` or `false`."""
    return {"true": True, "false": False}[text]


def uuid(text: str) -> UUID:
    """Reads a UUID."""
    return UUID(text)


def enum(descriptor: EnumDescriptor) -> Callable[[str], str]:
    """Returns the reader of an enum's values, by full name or by what follows the prefix all of them share."""
    names = {str(v.name) for v in descriptor.values}
    prefix = _common_prefix(names)

    def read(text: str) -> str:
        full = text if text in names else f"{prefix}{text.upper()}"
        if full not in names:
            raise ValueError(text)
        return full

    return read


def _common_prefix(names: set[str]) -> str:
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first[:length].rfind("_") + 1]


def moment(value: Value) -> datetime | ColumnElement[datetime]:
    """Reads a time: RFC 3339, UTC when it names no zone, or a function, answered by the database's clock."""
    if value.function:
        return func.now(type_=DateTime(timezone=True)) + literal(_offset(value), Interval())
    found: datetime = of_kind(datetime.fromisoformat, value, "timestamp")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment_in_json(value: Value) -> str | ColumnElement[str]:
    """Reads a time as JSON holds it, less its final Z."""
    found = moment(value)
    if not isinstance(found, datetime):
        return func.to_char(func.timezone("UTC", found), 'YYYY-MM-DD"T"HH24:MI:SS.US')
    stamp = Timestamp()
    try:
        stamp.FromDatetime(found.astimezone(UTC))
    except (ValueError, OverflowError):
        raise refused(value.at, f"found {value.text[:40]}; expected a time between the years 1 and 9999") from None
    return stamp.ToJsonString().rstrip("Z")


def _offset(value: Value) -> timedelta:
    if value.function == "now" and not value.text:
        return timedelta()
    sign = {"ago": -1, "from_now": 1}.get(value.function)
    if sign is None:
        raise refused(value.at, f"found {value.function[:40]}(); there are {_FUNCTIONS}")
    found = _DURATION.fullmatch(value.text)
    if not found or float(found[1]) * _SECONDS[found[2]] > _LONGEST.total_seconds():
        raise refused(value.at, f"{value.function}() takes a duration up to a century, such as 90s, 15m, 12h, 7d or 2w")
    return sign * timedelta(seconds=float(found[1]) * _SECONDS[found[2]])


def json_value(value: Value) -> str:
    """Reads a value for data without declared types, as JSON text: quoted a string, else what it looks like."""
    if value.function:
        raise refused(value.at, f"{value.function}() is a time, and nothing here is declared to be one")
    if not value.quoted and value.text in ("true", "false"):
        return value.text
    if not value.quoted and _NUMBER.fullmatch(value.text) and math.isfinite(float(value.text)):
        return json.dumps(int(value.text) if _INTEGER.fullmatch(value.text) else float(value.text))
    return json_text(value.text)


def json_text(text: str) -> str:
    """Returns text as a JSON string."""
    return json.dumps(text)
