"""Which fields of a row field policies keep from its reader: asked beside the row, and taken from its message."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from framework.call import Actor
from framework.policy import Guard
from framework.resource import ResourceSpec

_VERDICT = "shows_{}_"


def verdicts(guard: Guard, actor: Actor, table: FromClause) -> list[ColumnElement[Any]]:
    """Returns labelled columns: for each field that depends on the row, whether its reader may read it."""
    return [check.where(actor, table).label(_VERDICT.format(name)) for name, check in guard.dependent.items()]


def unshown(guard: Guard) -> Mapping[str, Any]:
    """Returns the verdicts of a row that shows nothing that depends on it."""
    return {_VERDICT.format(name): False for name in guard.dependent}


def withheld(guard: Guard, row: Mapping[str, Any]) -> list[str]:
    """Returns the fields that are kept from the reader of a row, as far as it was fetched with its verdicts."""
    return [*guard.hidden, *(name for name in guard.dependent if row.get(_VERDICT.format(name), True) is not True)]


def bounded(spec: ResourceSpec, guard: Guard, message: Any, row: Mapping[str, Any]) -> Any:
    """Returns a row's message without what is kept from its reader, saying which fields where it can."""
    kept = withheld(guard, row) if guard else []
    for name in kept:
        message.ClearField(name)
    if kept and "forbidden_fields" in spec.message.DESCRIPTOR.fields_by_name:
        message.forbidden_fields[:] = sorted(kept)
    return message
