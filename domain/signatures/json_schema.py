"""JSON Schema of declared fields, in the dialects that model providers read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from domain.signatures.field import MISSING, Field
from domain.signatures.kinds import UNIT
from domain.values import Json


class Dialect(Enum):
    """How a schema is to be written."""

    GENERIC = "generic"
    """JSON Schema 2020-12, with all that it can say."""
    OPENAI = "openai"
    """OpenAI's strict structured output: closed objects, everything required, what may be absent is null instead."""
    ANTHROPIC = "anthropic"
    """The input schema of an Anthropic tool: JSON Schema without a dialect's address."""
    GEMINI = "gemini"
    """Gemini's response schema: a part of OpenAPI 3.0."""
    OPENAPI = "openapi"
    """OpenAPI 3.0, whose nulls are a flag."""


@dataclass(frozen=True)
class Loss:
    """What a dialect cannot say, and is only judged when the answer is there."""

    path: str
    message: str


@dataclass(frozen=True)
class Written:
    """A schema in a dialect, and what it lost."""

    schema: dict[str, Json]
    losses: tuple[Loss, ...]


_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_KEYWORDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "min_items": "minItems",
    "max_items": "maxItems",
    "unique_items": "uniqueItems",
}
_UNKNOWN_TO = {
    Dialect.OPENAI: {"minLength", "maxLength", "uniqueItems", "default"},
    Dialect.GEMINI: {"multipleOf", "uniqueItems", "default", "additionalProperties"},
}
_FLAGGED = (Dialect.GEMINI, Dialect.OPENAPI)


def written(fields: Sequence[Field], dialect: Dialect = Dialect.GENERIC) -> Written:
    """Return the schema of an object with these fields, in their order, and what the dialect could not say of them."""
    losses: list[Loss] = []
    whole = Field(kind="object", properties=tuple(fields))
    schema = _Writer(dialect, losses).schema(whole, "")
    address = {"$schema": _ADDRESS} if dialect is Dialect.GENERIC else {}
    return Written(address | schema, tuple(losses))


def tool(name: str, description: str, fields: Sequence[Field]) -> dict[str, Json]:
    """Return an Anthropic tool that takes these fields."""
    return {"name": name, "description": description, "input_schema": written(fields, Dialect.ANTHROPIC).schema}


@dataclass(frozen=True)
class _Writer:
    dialect: Dialect
    losses: list[Loss]

    def schema(self, field: Field, path: str) -> dict[str, Json]:
        plain = self._plain(field, path)
        plain |= dict(self._constraints(field, path))
        if field.default is not MISSING and self._knows("default", path, "its default"):
            plain["default"] = field.default
        if said := f"{field.description} {plain.get('description', '')}".strip():
            plain["description"] = said
        return self._nullable(plain) if self._may_be_null(field) else plain

    def _may_be_null(self, field: Field) -> bool:
        return field.nullable or (self.dialect is Dialect.OPENAI and field.may_be_left_out)

    def _nullable(self, plain: dict[str, Json]) -> dict[str, Json]:
        if self.dialect in _FLAGGED:
            # OpenAPI 3.0 wants null among the choices, too; Gemini takes texts alone there.
            listed = {"enum": [*plain["enum"], None]} if "enum" in plain and self.dialect is Dialect.OPENAPI else {}
            return plain | listed | {"nullable": True}
        if "type" not in plain:
            return {"anyOf": [plain, {"type": "null"}]}
        if "enum" in plain:
            plain = plain | {"enum": [*plain["enum"], None]}
        return plain | {"type": [plain["type"], "null"]}

    def _plain(self, field: Field, path: str) -> dict[str, Json]:
        if field.choices:
            return {"type": "string", "enum": list(field.choices)}
        if field.kind == "object":
            return self._object(field, path)
        if field.kind == "array" and field.items is not None:
            return {"type": "array", "items": self.schema(field.items, f"{path}[]")}
        if field.kind == "tensor":
            return self._tensor(field, path)
        if field.kind == "token_list":
            return {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}}
        return self._simple(field, path)

    def _simple(self, field: Field, path: str) -> dict[str, Json]:
        if field.kind in UNIT:
            return {"type": "number", "minimum": 0, "maximum": 1}
        if field.kind == "embedding":
            length = {"minItems": field.dimension, "maxItems": field.dimension} if field.dimension else {"minItems": 1}
            return {"type": "array", "items": {"type": "number"}, **length}
        if field.kind == "string_list":
            return {"type": "array", "items": {"type": "string"}}
        if field.kind == "reasoning_chain":
            step = Field(kind="object", properties=(Field("step"), Field("reasoning")))
            plain = self._object(step, path)
            plain["properties"]["step"] = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
            return {"type": "array", "minItems": 1, "items": plain}
        if field.kind == "date_time":
            return {"type": "string", "format": "date-time"}
        return {"type": field.kind}

    def _object(self, field: Field, path: str) -> dict[str, Json]:
        if not field.properties:
            if self._must_type:
                # One without properties would be empty for ever in the one dialect, and is refused in the other.
                self.losses.append(
                    Loss(path, "any object cannot be said; text that holds its JSON is, and read leniently")
                )
                return {"type": "string", "description": "An object, as JSON text."}
            return {"type": "object"}
        strict = self.dialect is Dialect.OPENAI
        inner = {each.name: self.schema(each, f"{path}.{each.name}".lstrip(".")) for each in field.properties}
        required = [each.name for each in field.properties if strict or not each.may_be_left_out]
        closed = {} if self.dialect is Dialect.GEMINI else {"additionalProperties": False}
        order = {"propertyOrdering": list(inner)} if self.dialect is Dialect.GEMINI else {}
        return {"type": "object", "properties": inner, "required": required, **closed, **order}

    def _tensor(self, field: Field, path: str) -> dict[str, Json]:
        plain: dict[str, Json] = {"type": "number"}
        if not field.shape:
            self.losses.append(Loss(path, "lists of any depth cannot be said; any list is"))
            return {"type": "array", "items": {"type": "array", "items": plain} if self._must_type else {}}
        for length in reversed(field.shape):
            bounds = {"minItems": length, "maxItems": length} if length else {}
            plain = {"type": "array", "items": plain, **bounds}
        if not all(field.shape):
            self.losses.append(Loss(path, "that the lists of a level are of one length cannot be said"))
        return plain

    @property
    def _must_type(self) -> bool:
        return self.dialect in (Dialect.OPENAI, Dialect.GEMINI)

    def _constraints(self, field: Field, path: str) -> Iterator[tuple[str, Any]]:
        for name, value in field.constraints.given.items():
            keyword = _KEYWORDS[name]
            if self._knows(keyword, path, f"{name} ({value})"):
                yield keyword, max(value, 1) if (field.kind, name) == ("reasoning_chain", "min_items") else value

    def _knows(self, keyword: str, path: str, what: str) -> bool:
        if keyword in _UNKNOWN_TO.get(self.dialect, ()):
            self.losses.append(Loss(path, f"{what} cannot be said in this dialect; it is judged afterwards"))
            return False
        return True


def without_nulls(fields: Sequence[Field], values: dict[str, Json]) -> dict[str, Json]:
    """Return an answer in OpenAI's dialect without the nulls that stand for what may be left out."""
    known = {each.name: each for each in fields}
    kept: dict[str, Json] = {}
    for name, value in values.items():
        field = known.get(name)
        if field is not None and value is None and field.may_be_left_out and not field.nullable:
            continue
        kept[name] = _inside(field, value) if field is not None else value
    return kept


def _inside(field: Field, value: Json) -> Json:
    if field.items is not None and isinstance(value, list):
        return [_inside(field.items, each) for each in value]
    return without_nulls(field.properties, value) if field.properties and isinstance(value, dict) else value
