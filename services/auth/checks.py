"""The checks of the auth service's own policies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, false

from framework.call import Actor
from framework.policy import Check
from framework.policy.checks import Row


@dataclass(frozen=True)
class ColumnIs(Check):
    """Passes for rows whose column equals something about the actor; nothing equals None."""

    name: str
    column: str
    wanted: Callable[[Actor], Any]

    def decide(self, actor: Actor) -> bool | None:
        """Leaves it to the row, unless nothing could match."""
        return False if self.wanted(actor) is None else None

    def allows(self, actor: Actor, row: Row) -> bool:
        """Compares the row in hand."""
        wanted = self.wanted(actor)
        return wanted is not None and row.get(self.column) == wanted

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Compares the column in SQL."""
        wanted = self.wanted(actor)
        return false() if wanted is None else table.c[self.column].is_not(None) & (table.c[self.column] == wanted)


own_organization = ColumnIs("own_organization", "id", lambda actor: actor.organization_id)
own_key = ColumnIs("own_key", "user_id", lambda actor: actor.user_id)
