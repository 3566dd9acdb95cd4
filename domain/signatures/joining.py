"""The narrowest field that takes the values of two."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from domain.signatures.field import MISSING, Constraints, Field
from domain.signatures.kinds import MOST_PROPERTIES, UNIT

UNKNOWN = "unknown"
"""The kind of what was never seen, such as the items of an empty list: it joins with any other."""

T = TypeVar("T", int, float)
_NUMBERS = {"integer", "number", *UNIT}
_TEXTS = {"string", "enum", "date_time"}


def joined(one: Field, other: Field) -> Field | None:
    """Return the narrowest field that takes the values of both, called as the first; None where there is none."""
    if UNKNOWN in (one.kind, other.kind):
        known = other if one.kind == UNKNOWN else one
        optional, nullable = one.optional or other.optional, one.nullable or other.nullable
        return replace(known, name=one.name, nullable=nullable, optional=optional)
    kind = _kind(one, other)
    if kind is None:
        return None
    both = replace(
        one,
        kind=kind,
        description=one.description or other.description,
        choices=_choices(one, other, kind),
        variable=one.variable and other.variable,
        optional=one.optional or other.optional,
        nullable=one.nullable or other.nullable,
        default=one.default if one.default is not MISSING else other.default,
        constraints=_constraints(one, other, kind),
        dimension=one.dimension if one.dimension == other.dimension else 0,
        shape=one.shape if one.shape == other.shape else (),
    )
    return _with_parts(both, one, other)


def clash(one: Field, other: Field) -> tuple[str, Field, Field]:
    """Return where two fields part that cannot be joined: the end of their path, and what stands there."""
    there = {each.name: each for each in other.properties}
    pairs = [(f".{each.name}", each, there[each.name]) for each in one.properties if each.name in there]
    if one.items is not None and other.items is not None:
        pairs.append(("[]", one.items, other.items))
    for end, mine, theirs in pairs:
        if one.kind == other.kind and joined(mine, theirs) is None:
            further, *both = clash(mine, theirs)
            return end + further, both[0], both[1]
    return "", one, other


def _kind(one: Field, other: Field) -> str | None:
    kinds = {one.kind, other.kind}
    if len(kinds) == 1:
        return one.kind
    if kinds <= _NUMBERS:
        return "probability" if kinds <= UNIT else "number"
    if kinds == {"string_list", "array"}:
        return "array"
    return "string" if kinds <= _TEXTS else None


def _choices(one: Field, other: Field, kind: str) -> tuple[str, ...]:
    if not (one.choices and other.choices):
        return ()
    return tuple(dict.fromkeys([*one.choices, *other.choices]))


def _with_parts(both: Field, one: Field, other: Field) -> Field | None:
    if both.kind == "array":
        mine, theirs = one.items or Field(), other.items or Field()
        items = joined(mine, theirs)
        return None if items is None else replace(both, items=items)
    if both.kind != "object":
        return both
    if not (one.properties and other.properties):
        return replace(both, properties=())
    there = {each.name: each for each in other.properties}
    found: list[Field] = []
    for each in one.properties:
        met = joined(each, there.pop(each.name)) if each.name in there else _optional(each)
        if met is None:
            return None
        found.append(met)
    found += map(_optional, there.values())
    # More than can be declared is any object, as one alone would be; and lists of a thousand kinds of rows end.
    return replace(both, properties=tuple(found) if len(found) <= MOST_PROPERTIES else ())


def _optional(field: Field) -> Field:
    return field if field.optional else replace(field, optional=True)


def _constraints(one: Field, other: Field, kind: str) -> Constraints:
    """Return what both keep: a bound that one of them does not have is none."""
    a, b = one.constraints, other.constraints
    if kind != one.kind or kind != other.kind:
        # Between kinds only bounds of numbers mean the same.
        return Constraints(minimum=_outer(min, a.minimum, b.minimum), maximum=_outer(max, a.maximum, b.maximum))
    return Constraints(
        minimum=_outer(min, a.minimum, b.minimum),
        maximum=_outer(max, a.maximum, b.maximum),
        multiple_of=a.multiple_of if a.multiple_of == b.multiple_of else None,
        min_length=_outer(min, a.min_length, b.min_length),
        max_length=_outer(max, a.max_length, b.max_length),
        pattern=a.pattern if a.pattern == b.pattern else "",
        min_items=_outer(min, a.min_items, b.min_items),
        max_items=_outer(max, a.max_items, b.max_items),
        unique_items=a.unique_items and b.unique_items,
    )


def _outer(choose: Callable[[T, T], T], one: T | None, other: T | None) -> T | None:
    return None if one is None or other is None else choose(one, other)
