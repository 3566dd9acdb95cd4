"""Orders of a list, and the keyset clause that goes on after a row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, false, null, or_, true, tuple_

from framework.errors import FieldViolation, InvalidFields
from framework.query.columns import Columns
from framework.query.grammar import NAME, STRING, unquoted
from framework.query.sorting import Place, place_of

# Each computed one is a subquery, and stands in that clause as often.
MOST_COMPUTED = 3
# Each key makes the clause that goes on after a row longer by all keys before it.
MOST_KEYS = 10
_PATH = re.compile(rf"(?:{STRING.pattern}|{NAME.pattern})(?:\.(?:{STRING.pattern}|{NAME.pattern}))*", re.DOTALL)
_PART = re.compile(rf"{STRING.pattern}|{NAME.pattern}", re.DOTALL)


class Key(NamedTuple):
    """One field to order by; `nulls_first` is None where the field always has a value."""

    name: str
    descending: bool = False
    nulls_first: bool | None = None
    inner: tuple[str, ...] = ()
    """The path inside the field, or behind the relationship, of that name."""

    @property
    def path(self) -> tuple[str, ...]:
        """The whole path."""
        return (self.name, *self.inner)

    def place(self, columns: Columns) -> Place:
        """Returns what the key sorts by, over some rows."""
        place = place_of(self.path, columns)
        assert place is not None, "keys are read over the same columns"
        return place


class _Sorted(NamedTuple):
    """A key over the rows of one statement."""

    key: Key
    place: Place

    def term(self) -> ColumnElement[Any]:
        """Returns the ORDER BY term; nulls are placed by name only where there are any, so that indexes stay usable."""
        value = self.place.value
        term = value.desc() if self.key.descending else value.asc()
        if self.key.nulls_first is None:
            return term
        return term.nulls_first() if self.key.nulls_first else term.nulls_last()

    def equal(self, told: Any) -> ColumnElement[bool]:
        """Returns the clause for rows that stand at a value."""
        value = self.place.value
        return value.is_(null()) if told is None else value == self.place.read(told)

    def reached(self, told: Any) -> ColumnElement[bool]:
        """Returns a clause that holds at a value and after it, for an index to begin at; true if there may be nulls."""
        if self.key.nulls_first is not None:
            return true()
        # Read as a parameter: SQLAlchemy refuses to order a bare True or False.
        value, wanted = self.place.value, self.place.read(told)
        return value <= wanted if self.key.descending else value >= wanted

    def beyond(self, told: Any) -> ColumnElement[bool]:
        """Returns the clause for rows that come after a value."""
        value = self.place.value
        if told is None:
            return value.is_not(null()) if self.key.nulls_first else false()
        wanted = self.place.read(told)
        after = value < wanted if self.key.descending else value > wanted
        return or_(after, value.is_(null())) if self.key.nulls_first is False else after


@dataclass(frozen=True)
class Order:
    """Fields to order by, the primary key last, so that every row has its place."""

    keys: tuple[Key, ...]

    def terms(self, columns: Columns) -> Sequence[ColumnElement[Any]]:
        """Returns the ORDER BY terms."""
        return [key.term() for key in self._over(columns)]

    def told(self, columns: Columns) -> Sequence[ColumnElement[Any]]:
        """Returns the labelled expressions that a statement selects besides its rows' fields, for `position`."""
        return [key.place(columns).told.label(f"key_{i}_") for i, key in enumerate(self.keys) if key.inner]

    @property
    def fields(self) -> Sequence[str]:
        """The fields that a statement selects for `position`, whatever else it selects."""
        return [key.name for key in self.keys if not key.inner]

    def after(self, columns: Columns, position: Sequence[Any]) -> ColumnElement[bool]:
        """Returns the clause for rows after a position; an index on the keys is entered there, however deep it is."""
        keys, descending = self._over(columns), self.keys[0].descending
        if all(key.nulls_first is None and key.descending is descending for key in self.keys):
            here = tuple_(*(one.place.value for one in keys))
            there = tuple_(*(one.place.read(told) for one, told in zip(keys, position, strict=True)))
            return here < there if descending else here > there
        return and_(keys[0].reached(position[0]), _beyond(keys, position))

    def position(self, row: Mapping[str, Any]) -> list[Any]:
        """Returns where a row stands."""
        return [row[f"key_{i}_" if key.inner else key.name] for i, key in enumerate(self.keys)]

    def _over(self, columns: Columns) -> list[_Sorted]:
        return [_Sorted(key, key.place(columns)) for key in self.keys]


def _beyond(keys: Sequence[_Sorted], position: Sequence[Any]) -> ColumnElement[bool]:
    """Equal on the first keys, beyond the position on the next."""
    alternatives = []
    for i, key in enumerate(keys):
        equal = [k.equal(position[j]) for j, k in enumerate(keys[:i])]
        alternatives.append(and_(*equal, key.beyond(position[i])))
    return or_(*alternatives)


NEWEST = (Key("created_at", descending=True),)


def order_from(text: str, columns: Columns, default: Sequence[Key] = NEWEST, last: Sequence[str] = ("id",)) -> Order:
    """Reads an `order_by`, the default when empty; what is unique comes last, so that every row has its place.

    Raises InvalidFields naming `order_by` and the position.
    """
    keys = _keys(text, columns) if text.strip() else list(default)
    descending = bool(keys) and keys[-1].descending
    for name in last:
        if (name,) not in {key.path for key in keys}:
            keys.append(Key(name, descending, False if columns.fields[name].blank else None))
    return Order(tuple(keys))


def _keys(text: str, columns: Columns) -> list[Key]:
    keys: list[Key] = []
    at = 0
    while at <= len(text):
        start = at + len(text[at:]) - len(text[at:].lstrip())
        found = _PATH.match(text, start)
        end = text.find(",", found.end() if found else start)
        end = len(text) if end < 0 else end
        key = _key(found[0] if found else "", text[found.end() if found else start : end], start, columns)
        if key.path in {other.path for other in keys}:
            raise _refused(start, f"{'.'.join(key.path)[:80]} is named twice")
        keys.append(key)
        if len(keys) > MOST_KEYS:
            raise _refused(start, f"there are more than {MOST_KEYS} fields")
        if sum(columns.fields[k.name].computed for k in keys if k.name in columns.fields) > MOST_COMPUTED:
            raise _refused(start, f"there are more than {MOST_COMPUTED} computed fields")
        at = end + 1
    return keys


_DIRECTIONS = ("asc", "desc")
_NULLS: dict[tuple[str, ...], bool] = {("nulls", "first"): True, ("nulls", "last"): False}


def _key(path: str, words: str, at: int, columns: Columns) -> Key:
    names = tuple(unquoted(name) if name[0] in "\"'" else name for name in _PART.findall(path))
    place = place_of(names, columns) if names else None
    if place is None:
        known = ", ".join(sorted(f.name for f in columns.fields.values() if f.sortable))
        raise _refused(at, f"{path[:40] or 'nothing'} is no field to order by; there are {known}")
    rest = words.split()
    descending = rest[:1] == ["desc"]
    nulls = tuple(rest[1:] if rest[:1] and rest[0] in _DIRECTIONS else rest)
    if (nulls and nulls not in _NULLS) or words[:1].strip():
        raise _refused(at, f"expected `{path[:80]}`, perhaps with `asc` or `desc`, then `nulls first` or `nulls last`")
    return Key(names[0], descending, _NULLS.get(nulls, False) if place.nullable else None, names[1:])


def _refused(at: int, message: str) -> InvalidFields:
    return InvalidFields(FieldViolation("order_by", f"at position {at + 1}: {message}"))
