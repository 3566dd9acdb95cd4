"""What an actor may see of a resource's rows, and name and read of their fields, as expressions over its table."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, literal, null, true, type_coerce

from framework.call import Context
from framework.policy import Guard, guard_of, rule_of
from framework.query import Columns, Related
from framework.query.comparing import ZEROS
from framework.query.formulas import batched
from framework.query.fragments import Once
from framework.resource import Relationship, ResourceSpec
from framework.resource.fields import Field
from framework.resource.types import TYPES
from framework.storage import table_of


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
