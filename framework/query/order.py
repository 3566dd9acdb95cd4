"""Orders of a list, and the keyset clause that goes on after a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, false, literal, null, or_, true, tuple_

from framework.errors import FieldViolation, InvalidFields
from framework.query.columns import Columns


class Key(NamedTuple):
    """One field to order by; `nulls_first` is None where the field always has a value."""

    name: str
    descending: bool = False
    nulls_first: bool | None = None

    def sorted(self, columns: Columns) -> ColumnElement[Any]:
        """Returns the ORDER BY term; nulls are placed by name only where there are any, so that indexes stay usable."""
        column = columns[self.name]
        term = column.desc() if self.descending else column.asc()
        if self.nulls_first is None:
            return term
        return term.nulls_first() if self.nulls_first else term.nulls_last()

    def equal(self, columns: Columns, value: Any) -> ColumnElement[bool]:
        """Returns the clause for rows that stand at a value."""
        return columns[self.name].is_(null()) if value is None else columns[self.name] == value

    def reached(self, columns: Columns, value: Any) -> ColumnElement[bool]:
        """Returns a clause that holds at a value and after it, for an index to begin at; true if there may be nulls."""
        if self.nulls_first is not None:
            return true()
        wanted = literal(value, columns[self.name].type)
        return columns[self.name] <= wanted if self.descending else columns[self.name] >= wanted

    def beyond(self, columns: Columns, value: Any) -> ColumnElement[bool]:
        """Returns the clause for rows that come after a value."""
        column = columns[self.name]
        if value is None:
            return column.is_not(null()) if self.nulls_first else false()
        # As a parameter: SQLAlchemy refuses to order a bare True or False.
        wanted = literal(value, column.type)
        after = column < wanted if self.descending else column > wanted
        return or_(after, column.is_(null())) if self.nulls_first is False else after


@dataclass(frozen=True)
class Order:
    """Fields to order by, the primary key last, so that every row has its place."""

    keys: tuple[Key, ...]

    def terms(self, columns: Columns) -> Sequence[ColumnElement[Any]]:
        """Returns the ORDER BY terms."""
        return [key.sorted(columns) for key in self.keys]

    def after(self, columns: Columns, position: Sequence[Any]) -> ColumnElement[bool]:
        """Returns the clause for rows after a position; an index on the keys is entered there, however deep it is."""
        descending = self.keys[0].descending
        if all(key.nulls_first is None and key.descending is descending for key in self.keys):
            here = tuple_(*(columns[key.name] for key in self.keys))
            there = tuple_(*(literal(v, columns[k.name].type) for k, v in zip(self.keys, position, strict=True)))
            return here < there if descending else here > there
        return and_(self.keys[0].reached(columns, position[0]), self._beyond(columns, position))

    def _beyond(self, columns: Columns, position: Sequence[Any]) -> ColumnElement[bool]:
        """Equal on the first keys, beyond the position on the next."""
        alternatives = []
        for i, key in enumerate(self.keys):
            equal = [k.equal(columns, position[j]) for j, k in enumerate(self.keys[:i])]
            alternatives.append(and_(*equal, key.beyond(columns, position[i])))
        return or_(*alternatives)

    def position(self, row: Mapping[str, Any]) -> list[Any]:
        """Returns where a row stands."""
        return [row[key.name] for key in self.keys]


NEWEST = (Key("created_at", descending=True),)


def order_from(text: str, columns: Columns, default: Sequence[Key] = NEWEST, last: Sequence[str] = ("id",)) -> Order:
    """Reads an `order_by`, the default when empty; what is unique comes last, so that every row has its place.

    Raises InvalidFields naming `order_by` and the position.
    """
    keys = [] if text.strip() else list(default)
    at = 0
    for part in text.split(",") if text.strip() else ():
        keys.append(_key(part, at, columns))
        if keys[-1].name in {key.name for key in keys[:-1]}:
            raise _refused(at, f"{keys[-1].name} is named twice")
        at += len(part) + 1
    descending = bool(keys) and keys[-1].descending
    for name in last:
        if name not in {key.name for key in keys}:
            keys.append(Key(name, descending, False if columns.fields[name].nullable else None))
    return Order(tuple(keys))


_DIRECTIONS = ("asc", "desc")
_NULLS: dict[tuple[str, ...], bool] = {("nulls", "first"): True, ("nulls", "last"): False}


def _key(part: str, at: int, columns: Columns) -> Key:
    name, *rest = part.split() or [""]
    field = columns.fields.get(name)
    at += len(part) - len(part.lstrip())
    if field is None or not field.sortable:
        known = ", ".join(sorted(f.name for f in columns.fields.values() if f.sortable))
        raise _refused(at, f"{name[:40] or 'nothing'} is no field to order by; there are {known}")
    descending = rest[:1] == ["desc"]
    nulls = tuple(rest[1:] if rest[:1] and rest[0] in _DIRECTIONS else rest)
    if nulls and nulls not in _NULLS:
        raise _refused(at, f"expected `{name}`, perhaps with `asc` or `desc`, then `nulls first` or `nulls last`")
    return Key(name, descending, _NULLS.get(nulls, False) if field.nullable else None)


def _refused(at: int, message: str) -> InvalidFields:
    return InvalidFields(FieldViolation("order_by", f"at position {at + 1}: {message}"))
