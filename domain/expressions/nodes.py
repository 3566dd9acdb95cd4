"""The syntax tree of an expression."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.expressions.faults import Malformed

DEEPEST = 60
"""How many levels an expression may have; `&&` and `||` chains and lists are one level each, however long."""


@dataclass(frozen=True)
class Node:
    """A part of an expression: what it is, where it begins, its own value and its parts."""

    kind: str
    at: int
    value: Any = None
    parts: tuple["Node", ...] = ()
    depth: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max((part.depth for part in self.parts), default=0))
        if self.depth > DEEPEST:
            raise Malformed(self.at, f"is nested deeper than {DEEPEST} levels", "TOO_LARGE")

    def walk(self) -> Iterator["Node"]:
        """Yield it and everything below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def names(self) -> frozenset[str]:
        """Return the variables that it names."""
        return frozenset(node.value for node in self.walk() if node.kind == "name")

    def asks_for_presence(self) -> bool:
        """Tell whether it deals with inactive variables itself, by `has` or `count_active`."""
        return any(node.kind == "call" and node.value in PRESENCE for node in self.walk())


PRESENCE = ("has", "count_active")
"""The functions whose arguments are names, not values."""
