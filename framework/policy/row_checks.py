"""Checks about the row: who owns it, who is named in it or beside it, whose organization's it is, who may see it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, column, exists, false, table

from framework.call import Actor
from framework.policy.checks import Check, Row, Verdict
from framework.resource import Kind, ResourceSpec


@dataclass(frozen=True)
class ColumnIs(Check):
    """Passes for rows whose column equals something about the actor; null equals nothing, not even null."""

    name: str
    column: str
    wanted: Callable[[Actor], Any]

    def decide(self, actor: Actor) -> Verdict:
        """Leaves it to the row, unless nothing could match."""
        return False if self.wanted(actor) is None else None

    def holds(self, actor: Actor, row: Row) -> Verdict:
        """Compares the row in hand."""
        wanted = self.wanted(actor)
        return wanted is not None and row.get(self.column) == wanted

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Compares the column in SQL."""
        wanted = self.wanted(actor)
        return false() if wanted is None else table.c[self.column].is_not(None) & (table.c[self.column] == wanted)

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields that there is no such column."""
        tenancy = ("organization_id",) if spec.tenant else ()
        if self.column not in {*spec.fields, *spec.storage.hidden, *tenancy}:
            yield f"{self.name} asks for {self.column}, which is neither a field nor a hidden column"


def _user(actor: Actor) -> Any:
    return actor.user_id


def _organization(actor: Actor) -> Any:
    return actor.organization_id


def _public(actor: Actor) -> Any:
    # Public means readable inside the organization; the tenant wall stands around every row anyway.
    return "VISIBILITY_PUBLIC" if actor.organization_id is not None else None


owns = ColumnIs("owns", "owner_id", _user)
itself = ColumnIs("itself", "id", _user)
is_public = ColumnIs("is_public", "visibility", _public)
shares_organization = ColumnIs("shares_organization", "organization_id", _organization)
is_own_organization = ColumnIs("is_own_organization", "id", _organization)


def relates_to(path: str) -> Check:
    """Passes for rows that name the actor: in a column (`reviewer_id`) or in a related row (`program.owner_id`)."""
    return ColumnIs(f"relates_to({path})", path, _user) if "." not in path else Reaches(f"relates_to({path})", path)


@dataclass(frozen=True)
class Reaches(Check):
    """Passes for rows from which declared relationships lead to one that names the actor; answered by EXISTS."""

    name: str
    path: str

    def decide(self, actor: Actor) -> Verdict:
        """Leaves it to the database, unless the actor is no user."""
        return False if actor.user_id is None else None

    def holds(self, actor: Actor, row: Row) -> Verdict:
        """Cannot say: the related rows are not in hand."""
        return self.decide(actor)

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Follows the relationships, inside the tenant, to the column that names somebody."""
        if actor.user_id is None:
            return false()
        return _named(_spec_of(table), table, self.path.split("."), actor)

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields where the path leads nowhere."""
        *through, last = self.path.split(".")
        for step in through:
            if step not in spec.relationships:
                yield f"{self.name}: {spec.noun} has no relationship {step}"
                return
            spec = spec.relationships[step].target
        if last not in spec.fields or spec.fields[last].kind is not Kind.UUID:
            yield f"{self.name}: {spec.noun} has no id {last}"


def _spec_of(rows: FromClause) -> ResourceSpec:
    """Returns the resource whose table this is, or is an alias of."""
    table: Any = getattr(rows, "element", rows)
    spec: ResourceSpec = table.info["spec"]
    return spec


def _named(spec: ResourceSpec, here: FromClause, path: Sequence[str], actor: Actor) -> ColumnElement[bool]:
    step, *rest = path
    if not rest:
        return here.c[step] == actor.user_id
    relationship = spec.relationships[step]
    target = relationship.target
    there = table(target.collection, *map(column, ("organization_id", *target.fields))).alias()
    mine, its = relationship.ends
    joined = [there.c[its] == here.c[mine]]
    if spec.tenant and target.tenant:
        joined.append(there.c.organization_id == here.c.organization_id)
    return exists().where(and_(*joined, _named(target, there, rest, actor)))


@dataclass(frozen=True)
class sql_check(Check):  # noqa: N801 - reads as a word of the policy language
    """A check that only the database can answer, such as EXISTS over a projection."""

    name: str
    clause: Callable[[Actor, FromClause], ColumnElement[bool]]
    barred: Callable[[Actor], bool] = lambda actor: False
    """Whom no row can let pass."""

    def decide(self, actor: Actor) -> Verdict:
        """Leaves it to the database, but for those whom no row can let pass."""
        return False if self.barred(actor) else None

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Returns the clause."""
        return false() if self.barred(actor) else self.clause(actor, table)
