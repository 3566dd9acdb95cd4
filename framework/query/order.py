"""Orders of a list, and the keyset clause that goes on after a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, literal, or_

from framework.errors import FieldViolation, InvalidFields
from framework.resource import ResourceSpec


@dataclass(frozen=True)
class Order:
    """Fields to order by, the primary key last, so that every row has its place."""

    keys: tuple[tuple[str, bool], ...]
    """Pairs of field name and whether it descends."""

    def columns(self, table: Table) -> Sequence[ColumnElement[Any]]:
        """Returns the ORDER BY columns."""
        return [table.c[name].desc() if down else table.c[name].asc() for name, down in self.keys]

    def after(self, table: Table, position: Sequence[Any]) -> ColumnElement[bool]:
        """Returns the clause for rows after a position: equal on the first keys, beyond it on the next."""
        alternatives = []
        for i, (name, down) in enumerate(self.keys):
            equal = [table.c[n] == position[j] for j, (n, _) in enumerate(self.keys[:i])]
            # As a parameter: SQLAlchemy refuses to order a bare True or False.
            value = literal(position[i], table.c[name].type)
            beyond = table.c[name] < value if down else table.c[name] > value
            alternatives.append(and_(*equal, beyond))
        return or_(*alternatives)

    def position(self, row: Mapping[str, Any]) -> list[Any]:
        """Returns where a row stands."""
        return [row[name] for name, _ in self.keys]


def order_from(text: str, spec: ResourceSpec) -> Order:
    """Reads an `order_by`; newest first when empty. Raises InvalidFields naming `order_by`."""
    keys = [_key(part.split(), spec) for part in text.split(",")] if text.strip() else [_default(spec)]
    names = [name for name, _ in keys]
    if len(set(names)) < len(names):
        raise _refused("names a field twice")
    if "id" not in names:
        keys.append(("id", keys[-1][1]))
    return Order(tuple(keys))


def _default(spec: ResourceSpec) -> tuple[str, bool]:
    return ("created_at", True)


def _key(words: list[str], spec: ResourceSpec) -> tuple[str, bool]:
    if len(words) not in (1, 2) or (len(words) == 2 and words[1] not in ("asc", "desc")):
        raise _refused("write fields separated by commas, each with ` desc` to descend")
    field = spec.fields.get(words[0])
    if field is None or not field.sortable:
        known = ", ".join(sorted(f.name for f in spec.fields.values() if f.sortable))
        raise _refused(f"{words[0]} is no field to order by; there are {known}")
    return words[0], words[-1] == "desc"


def _refused(message: str) -> InvalidFields:
    return InvalidFields(FieldViolation("order_by", message))
