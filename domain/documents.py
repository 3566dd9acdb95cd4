"""What differs between two documents, place by place, and between two texts, word by word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from domain.comparing import ABSENT
from domain.values import Json, is_same

MOST_PIECES = 4000
"""Into how many pieces what differs is cut: what is longer is compared line by line, or as a whole."""

_WORD = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_NAMES = ("name", "field")


@dataclass(frozen=True)
class Piece:
    """A piece of text that stayed, went or came."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True)
class Changed:
    """A place, such as `signature_config.inputs.text.description`, with its values; ABSENT where there is none."""

    path: str
    before: Json
    after: Json

    @property
    def is_one_sided(self) -> bool:
        """Whether only one of the documents has the place."""
        return self.before is ABSENT or self.after is ABSENT

    @property
    def pieces(self) -> list[Piece]:
        """What changed of a text, in order; empty unless both values are texts."""
        both = isinstance(self.before, str) and isinstance(self.after, str)
        return words(self.before, self.after) if both else []


def changes(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[Changed]:
    """Return every place that differs; members of lists are known by their names where all have one."""
    old, new = dict(_flat(before, "")), dict(_flat(after, ""))
    paths = [*old, *(path for path in new if path not in old)]
    found = (Changed(path, old.get(path, ABSENT), new.get(path, ABSENT)) for path in paths)
    return [each for each in found if _differs(each, old, new)]


def _differs(change: Changed, old: Mapping[str, Json], new: Mapping[str, Json]) -> bool:
    if not change.is_one_sided:
        return not is_same(change.before, change.after)
    value, others = (change.before, new) if change.after is ABSENT else (change.after, old)
    # What was empty and is filled, or the other way round, is told by what it holds.
    below = (f"{change.path}.", f"{change.path}[") if change.path else ""
    return bool(value not in ({}, []) or not any(each.startswith(below) for each in others))


def words(before: str, after: str) -> list[Piece]:
    """Return the pieces of two texts; those that stayed or went are the first, those that stayed or came the second."""
    one, other = _WORD.findall(before), _WORD.findall(after)
    # Both ends of a long text are mostly the same: what is compared is what lies between them.
    head = _shared(one, other)
    tail = _shared(one[head:][::-1], other[head:][::-1])
    middle = _compared(one[head : len(one) - tail], other[head : len(other) - tail])
    return [*_piece("same", one[:head]), *middle, *_piece("same", one[len(one) - tail :])]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many members two sequences begin with that are the same."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _compared(one: Sequence[str], other: Sequence[str]) -> Iterator[Piece]:
    if max(len(one), len(other)) <= MOST_PIECES:
        yield from _matched(one, other)
        return
    lines, others = ("".join(each).splitlines(keepends=True) for each in (one, other))
    if max(len(lines), len(others)) <= MOST_PIECES:
        yield from _matched(lines, others)
    else:
        yield from (*_piece("removed", one), *_piece("added", other))


def _matched(one: Sequence[str], other: Sequence[str]) -> Iterator[Piece]:
    for kind, a, b, c, d in SequenceMatcher(None, one, other).get_opcodes():
        if kind == "equal":
            yield from _piece("same", one[a:b])
        else:
            yield from (*_piece("removed", one[a:b]), *_piece("added", other[c:d]))


def _piece(kind: Literal["same", "removed", "added"], parts: Sequence[str]) -> list[Piece]:
    return [Piece(kind, "".join(parts))] if parts else []


def _flat(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and (keys := _keys(value)):
        for key, item in zip(keys, value, strict=True):
            yield from _flat(item, f"{path}{key}")
    else:
        yield path, value


def _keys(items: Sequence[Any]) -> list[str]:
    """Return what tells items apart in a path: their names where they have different ones, else their places."""
    if not all(isinstance(each, Mapping) for each in items):
        return []
    for name in _NAMES:
        names = [each.get(name) for each in items]
        if all(isinstance(each, str) and each for each in names) and len(set(names)) == len(names):
            return [f".{each}" for each in names]
    return [f"[{index}]" for index in range(len(items))]
