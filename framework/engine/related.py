"""Checks about a row through its parent in the same service: who may read the one may read the other."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, exists

from framework.call import Actor
from framework.policy import Check, rule_of, sql_check
from framework.resource import Resource, spec_of
from framework.storage import table_of


def of_readable(parent: type[Resource[Any]], column: str) -> Check:
    """Passes for rows whose parent, named by the column, the actor may Get; answered by EXISTS in SQL."""
    spec = spec_of(parent)

    def clause(actor: Actor, table: FromClause) -> ColumnElement[bool]:
        parents = table_of(spec).alias()  # of its own, wherever the check is asked
        its_own = and_(parents.c.organization_id == table.c.organization_id, parents.c.id == table.c[column])
        return exists().select_from(parents).where(and_(its_own, rule_of(spec, "Get").check.where(actor, parents)))

    def barred(actor: Actor) -> bool:
        return rule_of(spec, "Get").check.decide(actor) is False

    return sql_check(f"of_readable_{spec.singular}", clause, barred)
