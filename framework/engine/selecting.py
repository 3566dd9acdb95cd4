"""What a read fetches: the columns of its statement, and the messages that its rows make; every read asks here."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Column, ColumnElement, FromClause, and_, func, literal, type_coerce

from framework.call import Context
from framework.engine.messages import pruned, selected
from framework.policy import rule_for
from framework.query import Columns, Related
from framework.query.comparing import ZEROS
from framework.query.formulas import batched
from framework.resource import Relationship, ResourceSpec
from framework.resource.fields import Field
from framework.storage import codec_of, table_of
from framework.storage.tables import TYPES

if TYPE_CHECKING:
    from framework.engine.calls import Call

EVERYTHING = FieldMask()


def visible(spec: ResourceSpec, context: Context, verb: str, table: FromClause) -> ColumnElement[bool]:
    """Returns the clause for the rows on which the actor may do this: the tenant's, and those the policies let pass."""
    allowed = rule_for(spec.policies, verb).where(context.actor, table)
    return and_(table.c.organization_id == context.organization_id, allowed) if spec.tenant else allowed


class Readable(Columns):
    """What an actor may name and read of a resource, as expressions over its table or an alias of it.

    Filters, orders, aggregates and selections all come here for a field: whatever bounds it, bounds it everywhere.
    """

    def __init__(self, spec: ResourceSpec, context: Context, table: FromClause | None = None) -> None:
        asked = {n: f for n, f in spec.computed.items() if not isinstance(spec.formula(n), batched)}
        super().__init__({**spec.fields, **asked}, table_of(spec) if table is None else table)
        self.spec = spec
        self.context = context
        self._computed: dict[str, ColumnElement[Any]] = {}
        self._related: dict[str, Related] = {}

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Returns the expression that holds a field's value; that of a computed one is made once."""
        if name not in self.spec.computed:
            return self.table.c[name]
        if name not in self._computed:
            self._computed[name] = _total(self.spec.computed[name], self.spec.formula(name).expression(self))
        return self._computed[name]

    @property
    def leads(self) -> Collection[str]:
        """The names of the relationships that are declared."""
        return self.spec.relationships.keys()

    def related(self, name: str) -> Related | None:
        """Returns the rows that a relationship leads to: of the same tenant, and such as the actor may Get."""
        if name in self.spec.relationships and name not in self._related:
            self._related[name] = self._led(self.spec.relationships[name])
        return self._related.get(name)

    def _led(self, relationship: Relationship) -> Related:
        target = relationship.target
        there = Readable(target, self.context, table_of(target).alias())
        mine, its = ("id", relationship.key) if relationship.many else (relationship.key, "id")
        joined = [there.table.c[its] == self.table.c[mine], visible(target, self.context, "Get", there.table)]
        return Related(there, and_(*joined), relationship.many)


def _total(field: Field, expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns an expression that is null only where its field may be absent, whatever it is sorted or compared by."""
    kind = TYPES[field.kind]
    if not field.nullable and field.kind in ZEROS:
        expression = func.coalesce(expression, literal(ZEROS[field.kind], kind))
    return type_coerce(expression, kind)


class Fetched(NamedTuple):
    """What a statement fetches by name: stored fields, None for every column, and fields that are made from others."""

    stored: tuple[str, ...] | None = None
    made: tuple[str, ...] = ()


STORED = Fetched()
"""Every column of the row itself."""


class Selection:
    """What one read fetches of a resource: all that is stored, or what its mask names.

    A computed field is fetched only when the mask names it: `*` and the absence of a mask mean what is stored.
    """

    def __init__(self, spec: ResourceSpec, context: Context, mask: FieldMask = EVERYTHING) -> None:
        self.spec = spec
        self.context = context
        self.mask = mask
        self.fetched = _fetched(spec, selected(spec, mask))

    @cached_property
    def readable(self) -> Readable:
        """The fields as this read's actor reads them."""
        return Readable(self.spec, self.context)

    def columns(self, also: Iterable[str] = ()) -> list[Any]:
        """Returns what the statement selects, labelled as rows and `message` know it; `also` names further fields."""
        return columns_of(self.readable, self.fetched, also)

    def message(self, row: Mapping[str, Any]) -> Any:
        """Returns a fetched row as its message, with nothing but what the mask names."""
        return pruned(codec_of(self.spec).message(row), self.mask)

    async def messages(
        self, call: "Call", rows: Sequence[Mapping[str, Any]], derive: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """Returns fetched rows as messages, completed by what takes more than a row: once for all of them."""
        made = [codec_of(self.spec).message(row) for row in rows]
        if derive:
            for message in made:
                derive(message)
        if made and self.fetched.made:
            await self._complete(call, made)
        return [pruned(message, self.mask) for message in made]

    async def _complete(self, call: "Call", messages: Sequence[Any]) -> None:
        for name in self.fetched.made:
            formula = self.spec.formula(name)
            if isinstance(formula, batched):
                await formula.fill(call, name, messages)


def _fetched(spec: ResourceSpec, names: Iterable[str] | None) -> Fetched:
    """Returns what a mask's names need; formulas in Python say which other fields they are computed from."""
    if names is None:
        return STORED
    stored = {name for name in names if name in spec.fields}
    made = tuple(name for name in names if name not in spec.fields)
    for formula in map(spec.formula, made):
        stored |= set(formula.needs) if isinstance(formula, batched) else set()
    return Fetched(tuple(sorted(stored)), made)


def columns_of(readable: Readable, fetched: Fetched, also: Iterable[str] = ()) -> list[Any]:
    """Returns the labelled columns behind what is fetched, and behind further fields; without names the whole table."""
    whole = fetched.stored is None
    names = dict.fromkeys([*(fetched.stored or ()), *fetched.made, *also])
    wanted = [name for name in names if not (whole and name in readable.spec.fields)]
    return [*([readable.table] if whole else []), *(column for name in wanted for column in _behind(readable, name))]


def _behind(readable: Readable, name: str) -> list[ColumnElement[Any]]:
    """Returns the labelled columns that a field of the message is made from."""
    if name in _DERIVED:
        return _DERIVED[name](readable)
    if name not in readable.fields:
        return []
    column = readable[name]
    return [column if isinstance(column, Column) else column.label(name)]


# Fields of messages that are neither stored nor computed by a formula.
_DERIVED: dict[str, Callable[[Readable], list[ColumnElement[Any]]]] = {
    "etag": lambda readable: [readable.table.c.lock_version],
}
