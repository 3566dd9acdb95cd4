"""Filters as SQL: total, bounded and two-valued - a comparison with null is false, its negation true."""

from sqlalchemy import ColumnElement, and_, not_, or_, true

from framework.query.columns import Columns
from framework.query.comparing import column_clause
from framework.query.grammar import Both, Negation, Restriction, Tree, parsed, refused
from framework.query.json_paths import json_clause
from framework.resource import Kind
from framework.resource.fields import Field


def filter_clause(text: str, columns: Columns) -> ColumnElement[bool]:
    """Returns the clause that a filter means; raises InvalidFields with the position and what would be right."""
    tree = parsed(text)
    return true() if tree is None else _clause(tree, columns, holds=True)


def _clause(tree: Tree, columns: Columns, *, holds: bool) -> ColumnElement[bool]:
    """Negations are pushed down to the comparisons, where null is decided."""
    if isinstance(tree, Negation):
        return _clause(tree.part, columns, holds=not holds)
    if isinstance(tree, Restriction):
        return _restriction(tree, columns, holds=holds)
    parts = [_clause(part, columns, holds=holds) for part in tree.parts]
    return and_(*parts) if isinstance(tree, Both) is holds else or_(*parts)


def _restriction(asked: Restriction, columns: Columns, *, holds: bool) -> ColumnElement[bool]:
    if asked.comparator == "!=":
        asked, holds = Restriction(asked.path, "=", asked.value, asked.at), not holds
    field = _field(asked, columns)
    column = columns[field.name]
    if field.kind is Kind.JSON:
        clause = json_clause(column, field.descriptor, asked)
    elif len(asked.path) > 1:
        raise refused(asked.at, f"{field.name} has no fields")
    else:
        clause = column_clause(field, column, asked)
    if holds:
        return clause
    decided = field.kind is not Kind.JSON and (not field.nullable or asked.value.star or asked.value.null)
    return not_(clause) if decided else clause.is_not(true())


def _field(asked: Restriction, columns: Columns) -> Field:
    """Unknown, hidden and sensitive fields answer alike."""
    field = columns.fields.get(asked.path[0])
    if field is None or field.sensitive:
        known = ", ".join(sorted(f.name for f in columns.fields.values() if not f.sensitive))
        raise refused(asked.at, f"{asked.path[0][:40]} is no field to filter by; there are {known}")
    return field
