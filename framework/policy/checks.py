"""Checks: small questions that answer three times - about the actor alone, about a row in hand, and as SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, false, or_, true

from framework.call import Actor, ActorKind, Role

Row = Mapping[str, Any]


class Check:
    """A question about an actor and, perhaps, a row; compose with `&` and `|`."""

    def __str__(self) -> str:
        return str(getattr(self, "name", type(self).__name__))

    def decide(self, actor: Actor) -> bool | None:
        """Says what the actor alone settles; None when it takes a row."""
        raise NotImplementedError

    def allows(self, actor: Actor, row: Row) -> bool:
        """Says whether the check passes for this row."""
        return bool(self.decide(actor))

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Returns the clause that holds for exactly the rows for which `allows` says yes."""
        return true() if self.decide(actor) else false()

    def __and__(self, other: "Check") -> "Check":
        return AllOf(self, other)

    def __or__(self, other: "Check") -> "Check":
        return AnyOf(self, other)


@dataclass(frozen=True)
class AllOf(Check):
    """Passes when both pass."""

    left: Check
    right: Check

    def __str__(self) -> str:
        return f"({self.left} and {self.right})"

    def decide(self, actor: Actor) -> bool | None:
        """Says no as soon as one part says no."""
        parts = (self.left.decide(actor), self.right.decide(actor))
        return False if False in parts else None if None in parts else True

    def allows(self, actor: Actor, row: Row) -> bool:
        """Says whether both pass for this row."""
        return self.left.allows(actor, row) and self.right.allows(actor, row)

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Joins both clauses by AND."""
        return and_(self.left.where(actor, table), self.right.where(actor, table))


@dataclass(frozen=True)
class AnyOf(Check):
    """Passes when either passes."""

    left: Check
    right: Check

    def __str__(self) -> str:
        return f"({self.left} or {self.right})"

    def decide(self, actor: Actor) -> bool | None:
        """Says yes as soon as one part says yes."""
        parts = (self.left.decide(actor), self.right.decide(actor))
        return True if True in parts else None if None in parts else False

    def allows(self, actor: Actor, row: Row) -> bool:
        """Says whether either passes for this row."""
        return self.left.allows(actor, row) or self.right.allows(actor, row)

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Joins both clauses by OR."""
        return or_(self.left.where(actor, table), self.right.where(actor, table))


@dataclass(frozen=True)
class ActorCheck(Check):
    """A check that the actor alone settles."""

    name: str
    test: Callable[[Actor], bool]

    def decide(self, actor: Actor) -> bool | None:
        """Says what the test says."""
        return self.test(actor)


def has_role(*roles: Role) -> Check:
    """Passes for users with one of the roles."""
    return ActorCheck(f"has_role({', '.join(r.value for r in roles)})", lambda a: a.role in roles)


anyone = ActorCheck("anyone", lambda a: True)
signed_in = ActorCheck("signed_in", lambda a: a.kind is ActorKind.USER)
is_service = ActorCheck("is_service", lambda a: a.kind is ActorKind.SERVICE)
is_operator = ActorCheck("is_operator", lambda a: a.operator)


@dataclass(frozen=True)
class _Column(Check):
    """A check on one column of the row; false for null, as in SQL's WHERE."""

    name: str
    column: str

    def value(self, actor: Actor) -> Any:
        """Returns what the column must equal; None never matches."""
        raise NotImplementedError

    def decide(self, actor: Actor) -> bool | None:
        """Leaves it to the row, unless nothing could match."""
        return False if self.value(actor) is None else None

    def allows(self, actor: Actor, row: Row) -> bool:
        """Compares the row's value, null never being equal."""
        wanted = self.value(actor)
        return wanted is not None and row.get(self.column) == wanted

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Compares the column in SQL."""
        wanted = self.value(actor)
        return false() if wanted is None else table.c[self.column].is_not(None) & (table.c[self.column] == wanted)


class _Mine(_Column):
    def value(self, actor: Actor) -> Any:
        return actor.user_id


class _Public(_Column):
    def value(self, actor: Actor) -> Any:
        # Public means readable inside the organization; the tenant wall stands around every row anyway.
        return "VISIBILITY_PUBLIC" if actor.organization_id is not None else None


owns = _Mine("owns", "owner_id")
itself = _Mine("itself", "id")
is_public = _Public("is_public", "visibility")


@dataclass(frozen=True)
class sql_check(Check):  # noqa: N801 - reads as a word of the policy language
    """A check that only the database can answer, such as EXISTS over a projection."""

    name: str
    clause: Callable[[Actor, FromClause], ColumnElement[bool]]

    def decide(self, actor: Actor) -> bool | None:
        """Leaves it to the database."""
        return None

    def allows(self, actor: Actor, row: Row) -> bool:
        """Refuses: a row in hand does not hold the answer; the engine always asks in SQL."""
        return False

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Returns the clause."""
        return self.clause(actor, table)
