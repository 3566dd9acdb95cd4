"""Two lists of named things that were one: what either side changed is taken, what both changed differently is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.values import Json, is_same

Items = Mapping[str, Json]
"""Things as JSON, by name, in their order."""


@dataclass(frozen=True)
class Conflict:
    """One thing that both sides changed differently; None where a side has removed it, or never had it."""

    name: str
    base: Json
    ours: Json
    theirs: Json

    def words(self) -> str:
        """Return what happened."""
        if self.base is None:
            return f"{self.name} was added on both sides, differently"
        if self.ours is None or self.theirs is None:
            side = ("ours", "theirs") if self.ours is None else ("theirs", "ours")
            return f"{self.name} was removed on the side of {side[0]} and changed on that of {side[1]}"
        return f"{self.name} was changed on both sides, differently"


@dataclass(frozen=True)
class Merged:
    """What both sides come to, in order; of a conflict ours is taken until somebody decides."""

    items: dict[str, Json]
    conflicts: tuple[Conflict, ...]

    def preferring_theirs(self) -> "Merged":
        """Return the same with theirs where both sides changed something differently."""
        chosen = self.items | {each.name: each.theirs for each in self.conflicts}
        return Merged({name: item for name, item in chosen.items() if item is not None}, self.conflicts)


def merged(base: Items, ours: Items, theirs: Items) -> Merged:
    """Return what two changes of a list come to.

    The order is ours, unless only theirs changed it; what they added stands behind what it follows there.
    """
    kept: dict[str, Json] = {}
    conflicts: list[Conflict] = []
    for name in dict.fromkeys([*ours, *theirs]):
        sides = base.get(name), ours.get(name), theirs.get(name)
        found = _decided(*sides)
        if found is _BOTH:
            conflicts.append(Conflict(name, *sides))
            found = sides[1]
        if found is not None:
            kept[name] = found
    order = _order(list(base), list(ours), list(theirs))
    return Merged({name: kept[name] for name in order if name in kept}, tuple(conflicts))


_BOTH: Any = object()


def _decided(base: Json, ours: Json, theirs: Json) -> Json:
    if is_same(ours, theirs) or is_same(base, theirs):
        return ours
    return theirs if is_same(base, ours) else _BOTH


def _order(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    common = set(base) & set(ours) & set(theirs)
    places = [[name for name in side if name in common] for side in (base, ours, theirs)]
    first, second = (theirs, ours) if places[1] == places[0] != places[2] else (ours, theirs)
    order = list(first)
    known = set(order)
    for index, name in enumerate(second):
        if name not in known:
            before = next((each for each in reversed(second[:index]) if each in known), None)
            order.insert(0 if before is None else order.index(before) + 1, name)
            known.add(name)
    return order
