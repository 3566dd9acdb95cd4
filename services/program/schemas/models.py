"""Pydantic models of declared fields, built at run time."""

import keyword
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Optional

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, create_model
from pydantic import Field as Part
from pydantic_core import PydanticCustomError

from domain.signatures.field import MISSING, Field
from domain.signatures.tensors import tensor_fault
from domain.signatures.times import is_time
from domain.values import canonical_json

_STRICT = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=(), regex_engine="rust-regex"
)
_LOOSE = ConfigDict(extra="ignore", allow_inf_nan=False, protected_namespaces=())
_TAKEN = frozenset(dir(BaseModel))
OURS = "ashgrove"
"""The type of pydantic's errors that hold our own words."""


def model_of(fields: Sequence[Field], name: str = "Values") -> type[BaseModel]:
    """Returns the model of an object with these fields: strict, closed, dumped by alias."""
    return _model(fields, name, loose=False)


def loose_type(field: Field) -> Any:
    """Returns a type that takes what a model makes of a field: without constraints, and with null for what may lack."""
    made = _type(field, loose=True)
    return made | None if field.may_be_left_out and not field.nullable else made


def _model(fields: Sequence[Field], name: str, *, loose: bool) -> type[BaseModel]:
    parts: dict[str, Any] = {}
    for index, field in enumerate(fields):
        # Declared names have at most 63 characters, so that none of them is one that stands for another.
        inner = field.name if _is_free(field.name) else f"field_{index:_>60}"
        parts[inner] = (_type(field, loose=loose), _part(field, None if inner == field.name else field.name))
    return create_model(name, __config__=_LOOSE if loose else _STRICT, **parts)


def _type(field: Field, *, loose: bool) -> Any:
    made = _plain(field, loose)
    return Optional[made] if field.nullable else made  # noqa: UP045 - built at run time


def plain(value: Any) -> Any:
    """Returns what a type made of values as JSON again."""
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_unset=True)
    return [plain(each) for each in value] if isinstance(value, list) else value


def _is_free(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_") and name not in _TAKEN


def _part(field: Field, alias: str | None) -> Any:
    default: Any = ...
    if field.default is not MISSING:
        default = field.default
    elif field.optional:
        default = None  # never dumped: it was not set
    return Part(default, alias=alias, description=field.description or None)


def _plain(field: Field, loose: bool) -> Any:
    if field.choices:
        return Literal[field.choices]
    if field.kind == "object":
        return _object(field, loose)
    if field.kind == "array" and field.items is not None:
        return _list(field, _type(field.items, loose=loose), loose)
    if field.kind == "reasoning_chain":
        return _list(field, _model(STEP, "Step", loose=loose), loose, at_least=1)
    return _LOOSE_KINDS[field.kind] if loose else _KINDS[field.kind](field)


def _text(field: Field) -> Any:
    its = field.constraints
    if not its.given:
        return str
    return Annotated[
        str, StringConstraints(min_length=its.min_length, max_length=its.max_length, pattern=its.pattern or None)
    ]


def _numeric(kind: type) -> Callable[[Field], Any]:
    def made(field: Field) -> Any:
        its = field.constraints
        if not its.given:
            return kind
        # A whole number's bounds are whole: 0.5 is 1 from below and 0 from above.
        low, high = (math.ceil, math.floor) if kind is int else (float, float)
        bounds: list[Any] = [Ge(low(its.minimum))] if its.minimum is not None else []
        bounds += [Le(high(its.maximum))] if its.maximum is not None else []
        bounds += [_multiple(its.multiple_of)] if its.multiple_of is not None else []
        return Annotated[(kind, *bounds)]

    return made


def _unit(field: Field) -> Any:
    low = max(0.0, field.constraints.minimum or 0.0)
    high = 1.0 if field.constraints.maximum is None else field.constraints.maximum
    return Annotated[float, Ge(low), Le(high)]


def _list(field: Field, item: Any, loose: bool = False, *, at_least: int = 0) -> Any:
    its = field.constraints
    low = max(its.min_items or 0, at_least)
    bounds: list[Any] = [MinLen(low)] if low else []
    bounds += [MaxLen(its.max_items)] if its.max_items is not None else []
    bounds += [AfterValidator(_all_different)] if its.unique_items else []
    return Annotated[(list[item], *bounds)] if bounds and not loose else list[item]


def _object(field: Field, loose: bool) -> Any:
    if not field.properties:
        return dict[str, Any]
    return _model(field.properties, "".join(filter(str.isalnum, field.name.title())) or "Item", loose=loose)


def _embedding(field: Field) -> Any:
    length = field.dimension or None
    bounds = [MinLen(length), MaxLen(length)] if length else [MinLen(1)]
    return Annotated[(list[float], *bounds)]


def _tensor(field: Field) -> Any:
    def judged(value: list[Any]) -> list[Any]:
        if fault := tensor_fault(value, field.shape):
            raise _refused(fault)
        return value

    return Annotated[list[Any], AfterValidator(judged)]


def _time(value: str) -> str:
    if not is_time(value):
        raise _refused("must be RFC 3339 text with an offset, such as 2026-11-30T12:00:00Z")
    return value


def _token(value: Any) -> Any:
    if not isinstance(value, str) and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise _refused("must be text or a whole number from 0")
    return value


def _text_or_whole(value: Any) -> Any:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _refused("must be text or a whole number")
    return value


def _all_different(value: list[Any]) -> list[Any]:
    if len({canonical_json(each) for each in plain(value)}) < len(value):
        raise _refused("must hold nothing twice")
    return value


def _multiple(step: float) -> AfterValidator:
    """Judges as people do: 0.3 is a multiple of 0.1, whatever doubles make of it."""

    def judged(value: float) -> float:
        parts = value / step
        # Beyond what doubles tell apart every value is a multiple.
        if math.isfinite(parts) and abs(parts - round(parts)) > 1e-9 * abs(parts):
            raise _refused(f"must be a multiple of {step:g}")
        return value

    return AfterValidator(judged)


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError(OURS, "{message}", {"message": message})


STEP = (Field("step", "text_or_whole"), Field("reasoning"))
"""What the items of a reasoning chain consist of."""

_KINDS: dict[str, Callable[[Field], Any]] = {
    "string": _text,
    "integer": _numeric(int),
    "number": _numeric(float),
    "boolean": lambda field: bool,
    "string_list": lambda field: _list(field, str),
    "date_time": lambda field: Annotated[str, AfterValidator(_time)],
    "probability": _unit,
    "confidence": _unit,
    "embedding": _embedding,
    "token_list": lambda field: _list(field, Annotated[Any, AfterValidator(_token)]),
    "text_or_whole": lambda field: Annotated[Any, AfterValidator(_text_or_whole)],
    "tensor": _tensor,
}
_LOOSE_KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "string_list": list[str],
    "date_time": str,
    "probability": float,
    "confidence": float,
    "embedding": list[float],
    "token_list": list[str | int],
    "text_or_whole": str | int,
    "tensor": list[Any],
}
