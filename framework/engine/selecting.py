"""What a read fetches: the columns of its statement, and the messages that its rows make; every read asks here."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Column, ColumnElement, FromClause, and_, case, false, func, literal, null, true, type_coerce

from framework.call import Context
from framework.engine import allowing
from framework.engine.messages import pruned, selected
from framework.engine.withholding import bounded, verdicts
from framework.policy import Guard, guard_of, rule_of
from framework.query import Columns, Related
from framework.query.comparing import ZEROS
from framework.query.formulas import batched
from framework.query.fragments import Once
from framework.resource import Relationship, ResourceSpec
from framework.resource.fields import Field
from framework.resource.types import TYPES
from framework.storage import codec_of, table_of

if TYPE_CHECKING:
    from framework.engine.calls import Call
    from framework.engine.including import Edge

EVERYTHING = FieldMask()


def visible(spec: ResourceSpec, context: Context, verb: str, table: FromClause) -> ColumnElement[bool]:
    """Returns the clause for the rows on which the actor may do this: the tenant's, and those the policies let pass."""
    return walled(spec, context, table, rule_of(spec, verb).for_act(context).where(context.actor, table))


def walled(
    spec: ResourceSpec, context: Context, table: FromClause, allowed: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Returns a clause inside the tenant's walls."""
    return and_(table.c.organization_id == context.organization_id, allowed) if spec.tenant else allowed


def reachable(spec: ResourceSpec, context: Context, table: FromClause) -> ColumnElement[bool]:
    """Returns the clause for the rows that a read of others may reach: those that the actor may Get, and its bound."""
    rpcs = (f"Get{spec.noun}", f"List{spec.plural}")
    if not any(context.actor.covers(rpc, spec.collection, reads=True) for rpc in rpcs):
        return false()
    return visible(spec, context, "Get", table)


def in_use(spec: ResourceSpec, table: FromClause, *, archived: bool) -> ColumnElement[bool]:
    """Returns the clause for the rows that are not put away, or for all where `archived` ones are shown too."""
    return true() if archived or not spec.archivable else table.c.archived_at.is_(None)


class Readable(Columns):
    """What an actor may name and read of a resource, as expressions over its table or an alias of it.

    Filters, orders, aggregates and selections all come here for a field: whatever bounds it, bounds it everywhere.
    """

    def __init__(
        self, spec: ResourceSpec, context: Context, table: FromClause | None = None, *, unknown: bool = True
    ) -> None:
        """Takes whether fields that are never shown are `unknown`: users may not name them, formulas may."""
        asked = {n: f for n, f in spec.computed.items() if not isinstance(spec.formula(n), batched)}
        self.guard = guard_of(spec, context.actor)
        fields = _nameable({**spec.fields, **asked}, self.guard, unknown=unknown)
        super().__init__(fields, table_of(spec) if table is None else table)
        self.spec = spec
        self.context = context
        self._unknown = unknown
        self._computed: dict[str, ColumnElement[Any]] = {}
        self._related: dict[str, Related] = {}

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Returns the expression that holds a field's value where the actor may read it, and null elsewhere."""
        if name in self.guard.hidden:
            return type_coerce(null(), self._bare(name).type)
        check = self.guard.dependent.get(name)
        return case((check.where(self.context.actor, self.table), self._bare(name))) if check else self._bare(name)

    @cached_property
    def declared(self) -> "Readable":
        """The same rows, and those that they lead to, with the fields that are never shown, as null."""
        return Readable(self.spec, self.context, self.table, unknown=False) if self._unknown else self

    def _bare(self, name: str) -> ColumnElement[Any]:
        """Returns the expression of a field's value, whoever asks; that of a computed one is made once."""
        if name not in self.spec.computed:
            return self.table.c[name]
        if name not in self._computed:
            formula = self.spec.formula(name).expression(self.declared)
            self._computed[name] = Once(_total(self.spec.computed[name], formula))
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
        there = Readable(target, self.context, table_of(target).alias(), unknown=self._unknown)
        mine, its = relationship.ends
        joined = [there[its] == self[mine], reachable(target, self.context, there.table)]
        return Related(there, and_(*joined), relationship.many)


def _nameable(fields: Mapping[str, Field], guard: Guard, *, unknown: bool) -> Mapping[str, Field]:
    """Returns the fields that may be named; what is never shown can be as unknown as what does not exist."""
    if not guard:
        return fields
    left = {name: field for name, field in fields.items() if not (unknown and name in guard.hidden)}
    kept = {*guard.hidden, *guard.dependent}
    return {name: replace(field, guarded=True) if name in kept else field for name, field in left.items()}


def _total(field: Field, expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns an expression that is null only where its field may be absent, whatever it is sorted or compared by."""
    kind = TYPES[field.kind]
    if not field.nullable and field.kind in ZEROS:
        expression = func.coalesce(expression, literal(ZEROS[field.kind], kind))
    return type_coerce(expression, kind)


class Fetched(NamedTuple):
    """What a statement fetches by name: stored fields, None for every column, and fields that are made from others.

    What is to be `told` to the caller is fetched as far as field policies let it; what the engine works on is whole.
    """

    stored: tuple[str, ...] | None = None
    made: tuple[str, ...] = ()
    told: bool = False


STORED = Fetched()
"""Every column of the row itself."""
_TOLD = Fetched(told=True)


class Selection:
    """What one read fetches of a resource: all that is stored, or what its mask names.

    A computed field is fetched only when the mask names it: `*` and the absence of a mask mean what is stored.
    """

    def __init__(
        self, spec: ResourceSpec, context: Context, mask: FieldMask = EVERYTHING, edges: Sequence["Edge"] = ()
    ) -> None:
        self.spec = spec
        self.context = context
        self.mask = mask
        self.edges = edges
        self.fetched = _fetched(spec, selected(spec, mask), [edge.key for edge in edges])

    @cached_property
    def readable(self) -> Readable:
        """The fields as this read's actor reads them."""
        return Readable(self.spec, self.context)

    def columns(self, also: Iterable[str] = ()) -> list[Any]:
        """Returns what the statement selects, labelled as rows and `message` know it; `also` names further fields."""
        return columns_of(self.readable, self.fetched, also)

    def message(self, row: Mapping[str, Any]) -> Any:
        """Returns a fetched row as its message, with nothing but what the mask names."""
        return self._told(codec_of(self.spec).message(row), row)

    async def messages(
        self, call: "Call", rows: Sequence[Mapping[str, Any]], derive: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """Returns fetched rows as messages, completed by what takes more than a row: once for all of them."""
        made = [codec_of(self.spec).message(row) for row in rows]
        if derive:
            for message in made:
                derive(message)
        if made and self.fetched.made:
            await self._complete(call, made, rows)
        told = [self._told(message, row) for message, row in zip(made, rows, strict=True)]
        for edge in self.edges:
            await edge.fill(call, rows, told)
        return told

    def _told(self, message: Any, row: Mapping[str, Any]) -> Any:
        return pruned(bounded(self.spec, guard_of(self.spec, self.context.actor), message, row), self.mask)

    async def _complete(self, call: "Call", messages: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> None:
        if allowing.FIELD in self.fetched.made:
            allowing.fill(call, self.spec, messages, rows)
        for name in self.fetched.made:
            formula = self.spec.formula(name)
            if isinstance(formula, batched):
                await formula.fill(call, name, messages)


def _fetched(spec: ResourceSpec, names: Iterable[str] | None, keys: Iterable[str]) -> Fetched:
    """Returns what a mask's names need, and keys; formulas in Python say which other fields they are computed from."""
    if names is None:
        return _TOLD
    stored = {name for name in (*names, *keys) if name in spec.fields}
    made = tuple(name for name in names if name not in spec.fields)
    for formula in map(spec.formula, made):
        stored |= set(formula.needs) if isinstance(formula, batched) else set()
    return Fetched(tuple(sorted(stored)), made, told=True)


def columns_of(readable: Readable, fetched: Fetched, also: Iterable[str] = ()) -> list[Any]:
    """Returns the labelled columns behind what is fetched, and behind further fields; without names the whole table."""
    whole = fetched.stored is None
    names = dict.fromkeys([*(fetched.stored or ()), *fetched.made, *also])
    wanted = [name for name in names if not (whole and name in readable.spec.fields)]
    row = _row(readable, told=fetched.told) if whole else []
    return [*row, *(column for name in wanted for column in _behind(readable, name))]


def _row(readable: Readable, *, told: bool) -> list[Any]:
    """Returns the whole row: as it is, or as far as its reader may read it."""
    if not (told and readable.guard):
        return [readable.table]
    shown = [c for c in readable.table.c if c.name not in readable.guard.hidden]
    dependent = readable.guard.dependent
    return [*(readable[c.name].label(c.name) if c.name in dependent else c for c in shown), *_verdicts(readable)]


def _behind(readable: Readable, name: str) -> list[ColumnElement[Any]]:
    """Returns the labelled columns that a field of the message is made from."""
    if name in _DERIVED:
        return _DERIVED[name](readable)
    if name not in readable.fields:
        # Python computes it, whoever reads; its reader's verdict is fetched beside it.
        return _verdicts(readable) if name in readable.guard.dependent else []
    column = readable[name]
    return [column if isinstance(column, Column) else column.label(name)]


def _verdicts(readable: Readable) -> list[ColumnElement[Any]]:
    return verdicts(readable.guard, readable.context.actor, readable.table)


# Fields of messages that are neither stored nor computed by a formula.
_DERIVED: dict[str, Callable[[Readable], list[ColumnElement[Any]]]] = {
    "etag": lambda readable: [readable.table.c.lock_version],
    "forbidden_fields": _verdicts,
    allowing.FIELD: lambda readable: allowing.verdict_columns(readable.spec, readable.context, readable.table),
}
