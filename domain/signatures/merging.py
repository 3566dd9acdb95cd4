"""Two lists of fields made into one."""

from collections.abc import Sequence
from typing import Literal

from domain.signatures.field import Field
from domain.signatures.joining import clash, joined
from domain.signatures.kinds import WORDS
from domain.values import Invalid, Violation

Conflict = Literal["refuse", "first", "second", "widen"]
"""What becomes of a field that both have, and have otherwise: refused, one of the two, or what takes both."""


def merged(one: Sequence[Field], other: Sequence[Field], conflict: Conflict = "refuse") -> tuple[Field, ...]:
    """Return the fields of both, those of the first first; raises Invalid naming every field that cannot be one."""
    there = {each.name: each for each in other}
    faults: list[Violation] = []
    found: list[Field] = []
    for field in one:
        rival = there.pop(field.name, field)
        made = field if rival == field else _settled(field, rival, conflict)
        if made is None:
            faults.append(_fault(field, rival, conflict))
        else:
            found.append(made)
    if faults:
        raise Invalid(faults)
    return (*found, *there.values())


def _settled(field: Field, rival: Field, conflict: Conflict) -> Field | None:
    if conflict == "widen":
        return joined(field, rival)
    return {"first": field, "second": rival}.get(conflict)


def _fault(field: Field, rival: Field, conflict: Conflict) -> Violation:
    if conflict != "widen":
        message = "is not the same in both; say which is to hold, or widen it"
        return Violation(f"other_fields.{field.name}", message, "INCOMPATIBLE")
    end, one, other = clash(field, rival)
    message = f"is {WORDS[one.kind]} in one and {WORDS[other.kind]} in the other: no type takes both"
    return Violation(f"other_fields.{field.name}{end}", message, "INCOMPATIBLE")
