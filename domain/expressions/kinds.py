"""The kinds of values that expressions know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.values import Json


@dataclass(frozen=True)
class Kind:
    """A kind of value; lists may know the kind of their items, objects those of their members."""

    name: str
    item: "Kind | None" = None
    members: "Mapping[str, Kind] | None" = None

    def fits(self, other: "Kind") -> bool:
        """Tell whether values of both kinds may be compared; what is known only at run time fits everything."""
        return "value" in (self.name, other.name) or self.name == other.name


NUMBER = Kind("number")
BOOLEAN = Kind("boolean")
TEXT = Kind("text")
NULL = Kind("null")
ANY = Kind("value")
"""Known only when the expression runs."""


def list_of(item: Kind) -> Kind:
    """Return the kind of lists of such items."""
    return Kind("list", item=item)


def object_of(members: Mapping[str, Kind] | None) -> Kind:
    """Return the kind of objects with these members; None where they are not known."""
    return Kind("object", members=members)


def common(kinds: Sequence[Kind]) -> Kind:
    """Return the kind that all have, or ANY."""
    first, *others = kinds or (ANY,)
    if all(other == first for other in others):
        return first
    return Kind(first.name) if all(other.name == first.name for other in others) else ANY


def kind_of(value: Json) -> Kind:
    """Return the kind of a scalar."""
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    return NULL if value is None else TEXT if isinstance(value, str) else ANY
