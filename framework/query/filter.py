"""The filter language: comparisons of fields with values joined by AND, a part of AIP-160."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, true
from sqlalchemy import literal as parameter

from framework.errors import FieldViolation, InvalidFields
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field

_TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<op>!=|<=|>=|=|<|>)|(?P<word>[^\s"=!<>()]+))',
)
_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda c, v: c == v,
    "!=": lambda c, v: c != v,
    "<": lambda c, v: c < v,
    "<=": lambda c, v: c <= v,
    ">": lambda c, v: c > v,
    ">=": lambda c, v: c >= v,
}


def filter_clause(text: str, spec: ResourceSpec, table: Table) -> ColumnElement[bool]:
    """Returns the clause that a filter means; raises InvalidFields naming `filter` and what would be right."""
    if not text.strip():
        return true()
    return and_(*_comparisons(list(_tokens(text)), spec, table))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refused(f"cannot be read at position {at + 1}: write field = value, joined by AND")
        at = match.end()
        yield str(match.lastgroup), match[str(match.lastgroup)]


def _comparisons(tokens: list[tuple[str, str]], spec: ResourceSpec, table: Table) -> Iterator[ColumnElement[bool]]:
    while True:
        if len(tokens) < 3 or tokens[0][0] != "word" or tokens[1][0] != "op" or tokens[2][0] == "op":
            raise _refused("write field = value, joined by AND")
        (_, name), (_, operator), literal = tokens[:3]
        field = _field(name, spec)
        value = parameter(_value(field, literal, operator), table.c[name].type)
        yield _OPERATORS[operator](table.c[name], value)
        tokens = tokens[3:]
        if not tokens:
            return
        if tokens[0] != ("word", "AND"):
            raise _refused(f"expected AND, found {tokens[0][1]}")
        tokens = tokens[1:]


def _field(name: str, spec: ResourceSpec) -> Field:
    field = spec.fields.get(name)
    if field is None or not field.comparable:
        known = ", ".join(sorted(f.name for f in spec.fields.values() if f.comparable))
        raise _refused(f"{name} is no field to filter by; there are {known}")
    return field


def _value(field: Field, literal: tuple[str, str], operator: str) -> Any:
    text = _unquoted(literal)
    try:
        return _PARSERS[field.kind](field, text)
    except (ValueError, OverflowError, KeyError) as error:
        raise _refused(f"{field.name} {operator} {text[:80]}: not a value of type {field.kind.value}") from error


def _unquoted(literal: tuple[str, str]) -> str:
    kind, text = literal
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "string" else text


def _text(field: Field, text: str) -> str:
    if "\0" in text:
        raise ValueError
    return text


def _enum(field: Field, text: str) -> str:
    enum = field.descriptor.enum_type
    assert enum is not None
    names = {v.name for v in enum.values}
    prefix = next(iter(names)).rsplit("_", 1)[0] if len(names) == 1 else _common_prefix(names)
    full = text if text in names else f"{prefix}{text.upper()}"
    if full not in names:
        raise ValueError
    return full


def _common_prefix(names: set[str]) -> str:
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first[:length].rfind("_") + 1]


def _bounded(bits: int) -> Callable[[Field, str], int]:
    def parse(field: Field, text: str) -> int:
        value = int(text)
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return value

    return parse


def _time(field: Field, text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refused(message: str) -> InvalidFields:
    return InvalidFields(FieldViolation("filter", message))


_PARSERS: dict[Kind, Callable[[Field, str], Any]] = {
    Kind.UUID: lambda f, t: UUID(t),
    Kind.TEXT: _text,
    Kind.ENUM: _enum,
    Kind.INTEGER: _bounded(32),
    Kind.BIGINT: _bounded(64),
    Kind.DOUBLE: lambda f, t: float(t),
    Kind.BOOLEAN: lambda f, t: {"true": True, "false": False}[t],
    Kind.TIMESTAMP: _time,
}
