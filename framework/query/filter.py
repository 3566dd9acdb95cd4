"""Filters as SQL: total, bounded and two-valued - a comparison with null is false, its negation true."""

from dataclasses import replace

from sqlalchemy import ColumnElement, and_, exists, not_, or_, true

from framework.query.columns import Columns, Related
from framework.query.comparing import column_clause, only_has
from framework.query.grammar import MOST_TERMS, Both, Negation, Restriction, Tree, parsed, refused
from framework.query.json_paths import json_clause
from framework.resource import Kind
from framework.resource.fields import Field

# Each relationship that a comparison goes through is a subquery, and so may be each computed field: to compile and plan
# one costs as much as so many comparisons.
SUBQUERY = 7
DEEPEST_RELATED = 2


def filter_clause(text: str, columns: Columns) -> ColumnElement[bool]:
    """Returns the clause that a filter means; raises InvalidFields with the position and what would be right."""
    tree = parsed(text)
    return true() if tree is None else _Clauses().of(tree, columns, holds=True)


class _Clauses:
    """Makes the clauses of one filter, counting what they cost."""

    def __init__(self) -> None:
        self.cost = 0

    def of(self, tree: Tree, columns: Columns, *, holds: bool) -> ColumnElement[bool]:
        """Negations are pushed down to the comparisons, where null is decided."""
        if isinstance(tree, Negation):
            return self.of(tree.part, columns, holds=not holds)
        if isinstance(tree, Restriction):
            return self.compared(tree, columns, holds=holds)
        parts = [self.of(part, columns, holds=holds) for part in tree.parts]
        return and_(*parts) if isinstance(tree, Both) is holds else or_(*parts)

    def compared(self, asked: Restriction, columns: Columns, *, holds: bool, depth: int = 1) -> ColumnElement[bool]:
        related, unequal = columns.related(asked.path[0]), asked.comparator == "!="
        if related is None:
            field = _field(asked, columns)
            self.count(asked, 1 + SUBQUERY * field.computed)
            asked = replace(asked, comparator="=") if unequal else asked
            return _restriction(asked, field, columns, holds=holds is not unequal)
        # What is absent differs from everything: where there is one at most, it must not be otherwise.
        otherwise = unequal and not related.many
        found = self.found(asked, columns, related, depth, holds=not otherwise)
        return found if holds is not otherwise else not_(found)

    def found(
        self, asked: Restriction, columns: Columns, related: Related, depth: int, *, holds: bool
    ) -> ColumnElement[bool]:
        """Says whether of some row that the relationship leads to, and that may be read, the comparison holds."""
        self.count(asked, SUBQUERY)
        if depth > DEEPEST_RELATED:
            raise refused(asked.at, f"a path goes through more than {DEEPEST_RELATED} relationships")
        such = related.joined
        if asked.path[1:]:
            inner = replace(asked, path=asked.path[1:])
            such = and_(such, self.compared(inner, related.columns, holds=holds, depth=depth + 1))
        else:
            _only_presence(asked)
        # The table is named: where nobody may read it, no clause does.
        return exists().select_from(related.columns.table).where(such).correlate(columns.table)

    def count(self, asked: Restriction, cost: int) -> None:
        """Bounds the whole."""
        self.cost += cost
        if self.cost > MOST_TERMS:
            more = f"a relationship or computed field counts as {SUBQUERY} more"
            raise refused(asked.at, f"there are more than {MOST_TERMS} comparisons, where {more}")


def _only_presence(asked: Restriction) -> None:
    only_has(asked, "a relationship")
    if not asked.value.star:
        name = asked.path[0]
        raise refused(asked.value.at, f"{name} leads to rows; ask {name}:* or one of their fields, as in {name}.id")


def _restriction(asked: Restriction, field: Field, columns: Columns, *, holds: bool) -> ColumnElement[bool]:
    column = columns[field.name]
    if field.kind is Kind.JSON:
        clause = json_clause(column, field.descriptor, asked)
    elif len(asked.path) > 1:
        raise refused(asked.at, f"{field.name} has no fields")
    else:
        clause = column_clause(field, column, asked)
    if holds:
        return clause
    whole = field.kind is not Kind.JSON and not field.guarded
    decided = whole and (not field.nullable or asked.value.star or asked.value.null)
    return not_(clause) if decided else clause.is_not(true())


def _field(asked: Restriction, columns: Columns) -> Field:
    """Unknown, hidden and sensitive fields answer alike."""
    field = columns.fields.get(asked.path[0])
    if field is None or field.sensitive:
        known = ", ".join(sorted([*(f.name for f in columns.fields.values() if not f.sensitive), *columns.leads]))
        raise refused(asked.at, f"{asked.path[0][:40]} is no field to filter by; there are {known}")
    return field
