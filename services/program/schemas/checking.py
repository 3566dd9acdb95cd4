"""Judging values by declared fields: what they come to, and everything that is wrong with them, at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ashgrove.program.v1.signature_pb2 import SignatureField
from pydantic import ValidationError

from domain.signatures.coercion import coerced
from domain.signatures.field import MISSING, Field
from domain.signatures.filling import filled
from domain.signatures.kinds import WORDS
from domain.values import Invalid, Json, Violation, is_number, normalise, shown
from services.program.schemas.declared import read_field
from services.program.schemas.models import OURS, STEP, model_of

KEPT = 512
"""How many models a process keeps, those used last; each is a few kilobytes."""


@dataclass(frozen=True)
class Checked:
    """Values as they are kept, defaults filled in; and what is wrong with them, in which case they are no use."""

    values: dict[str, Json]
    violations: tuple[Violation, ...] = ()


class Checker:
    """Judges objects with these fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple(fields)
        self.model = model_of(fields)
        self._fills = any(each.default is not MISSING or each.fills for each in fields)
        self._validate = self.model.__pydantic_validator__.validate_python

    def check(self, values: Mapping[str, Json], path: str = "", *, lenient: bool = False) -> Checked:
        """Returns what values come to; paths begin with `path`."""
        if lenient:
            values = coerced(self.fields, values)
        try:
            plain = normalise(dict(values), path or "value")
        except Invalid as invalid:
            return Checked({}, (*invalid.violations, *self._others(values, path, invalid.violations)))
        try:
            self._validate(plain)
        except ValidationError as error:
            return Checked({}, tuple(self._violations(error, path)))
        # A strict model changes nothing but the type of whole numbers: what was judged is what is kept.
        return Checked(filled(self.fields, plain) if self._fills else plain)

    def _others(self, values: Mapping[str, Json], path: str, known: Sequence[Violation]) -> list[Violation]:
        """Returns what is wrong with the values that JSON itself could keep."""
        prefix = f"{path}." if path else "value."
        told = {_first(each.path.removeprefix(prefix)) for each in known}
        try:
            self._validate({name: each for name, each in values.items() if name not in told})
        except ValidationError as error:
            found = self._violations(error, path)
            return [each for each in found if _first(each.path.removeprefix(prefix)) not in told]
        return []

    def _violations(self, error: ValidationError, path: str) -> list[Violation]:
        return [self._violation(each, path) for each in error.errors(include_url=False, include_input=False)]

    def _violation(self, error: Any, path: str) -> Violation:
        place, field = path, None
        around: Sequence[Field] = ()
        siblings: Sequence[Field] = self.fields
        for step in error["loc"]:
            around = siblings
            if isinstance(step, int):
                place, field = f"{place}[{step}]", _item(field)
            else:
                place = f"{place}.{step[:80]}" if place else step[:80]
                field = next((each for each in siblings if each.name == step), None)
            siblings = field.properties if field else ()
        return Violation(place, _message(error, field, around), _CODES.get(error["type"], "WRONG_TYPE"))


def checker_of(messages: Iterable[SignatureField]) -> Checker:
    """Returns the checker of declared fields, built once as long as it is kept: equal content has one."""
    return _built(tuple(each.SerializeToString(deterministic=True) for each in messages))


@lru_cache(maxsize=KEPT)
def _built(content: tuple[bytes, ...]) -> Checker:
    return Checker(tuple(map(read_field, content)))


def _item(field: Field | None) -> Field | None:
    """Returns what the items of a list are."""
    return None if field is None else field.items or _ITEMS.get(field.kind)


def _first(place: str) -> str:
    return place.partition(".")[0].partition("[")[0]


def _message(error: Any, field: Field | None, around: Sequence[Field]) -> str:
    context, kind = error.get("ctx") or {}, error["type"]
    if kind == "missing":
        return f"is missing; it must be {_word(field)}"
    if kind == "extra_forbidden":
        return f"is no field here; there are {', '.join(each.name for each in around)}"
    if kind == "literal_error":
        return f"must be one of {_choices(field)}"
    if kind == OURS:
        return str(context["message"])
    if kind in _WORDED:
        return _WORDED[kind].format(**{k: shown(v) if is_number(v) else v for k, v in context.items()})
    return f"must be {_word(field)}"


def _word(field: Field | None) -> str:
    if field is None:
        return "of the type of its list"
    said = f"one of {_choices(field)}" if field.choices else WORDS.get(field.kind, "text or a whole number")
    return said + (", or null" if field.nullable else "")


def _choices(field: Field | None) -> str:
    every = field.choices if field else ()
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(each[:80] for each in every[:_SHOWN]) + more


_SHOWN = 20
"""How many choices are told."""

_ITEMS = {
    "string_list": Field(),
    "embedding": Field(kind="number"),
    "reasoning_chain": Field(kind="object", properties=STEP),
}
_WORDED = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must be at least {min_length} characters",
    "string_too_long": "must be at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} items, not {actual_length}",
    "too_long": "must have at most {max_length} items, not {actual_length}",
}
_CODES = {
    "missing": "REQUIRED",
    "extra_forbidden": "UNKNOWN_NAME",
    "literal_error": "NOT_A_CHOICE",
    "greater_than_equal": "OUT_OF_RANGE",
    "less_than_equal": "OUT_OF_RANGE",
    "string_too_short": "OUT_OF_RANGE",
    "string_too_long": "OUT_OF_RANGE",
    "string_pattern_mismatch": "PATTERN",
    "too_short": "OUT_OF_RANGE",
    "too_long": "OUT_OF_RANGE",
    OURS: "OUT_OF_RANGE",
}
