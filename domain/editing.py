"""Edits of a list whose items have unique names, such as a space's variables: each gives a new list.

What cannot be done is refused with the path of the field that asks for it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from domain.values import Invalid, Violation, refused, shown

T = TypeVar("T")
Named = Callable[[T], str]


def added(items: Sequence[T], item: T, named: Named[T], position: int | None = None) -> list[T]:
    """Return the list with one item more, at a position from 0 or at the end; raises Invalid for a taken name."""
    if named(item) in map(named, items):
        raise refused("name", f"there is a {shown(named(item))} already", "DUPLICATE")
    place = len(items) if position is None else position
    if not 0 <= place <= len(items):
        raise refused("position", f"must be from 0 to {len(items)}, not {place}", "OUT_OF_RANGE")
    return [*items[:place], item, *items[place:]]


def replaced(items: Sequence[T], name: str, item: T, named: Named[T]) -> list[T]:
    """Return the list with another item in the place of the named one, perhaps under a new name; raises Invalid."""
    place = _place(items, name, named)
    if named(item) in (named(each) for each in items if named(each) != name):
        raise refused("name", f"there is a {shown(named(item))} already", "DUPLICATE")
    return [*items[:place], item, *items[place + 1 :]]


def removed(items: Sequence[T], name: str, named: Named[T]) -> list[T]:
    """Return the list without the named item; raises Invalid where there is none."""
    place = _place(items, name, named)
    return [*items[:place], *items[place + 1 :]]


def reordered(items: Sequence[T], names: Sequence[str], named: Named[T]) -> list[T]:
    """Return the list in the order of the names, which are all of them, each once; raises Invalid otherwise."""
    by_name = {named(each): each for each in items}
    faults = [
        Violation(f"names[{index}]", f"there is no {shown(name)}", "UNKNOWN_NAME")
        for index, name in enumerate(names)
        if name not in by_name
    ]
    faults += [
        Violation("names", f"{name} occurs {count} times", "DUPLICATE")
        for name, count in Counter(names).items()
        if count > 1
    ]
    faults += [Violation("names", f"lacks {name}", "REQUIRED") for name in by_name if name not in names]
    if faults:
        raise Invalid(faults)
    return [by_name[name] for name in names]


def _place(items: Sequence[T], name: str, named: Named[T]) -> int:
    for index, each in enumerate(items):
        if named(each) == name:
            return index
    raise refused("name", f"there is no {shown(name)}", "UNKNOWN_NAME")
