"""Rows that are made by what was read before, and only while it stands: what need not be read again is not.

Nothing is judged by what may be out of date: the statement that writes asks whether the row is the one that was read,
and whether the caller may see it and do this to it now.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.message import Message

from framework.engine.creating import insert_statement, known_permitted, new_row, values_of
from framework.engine.foreseen import foreseen, telling, written
from framework.engine.reading import as_known
from framework.policy import guard_of
from framework.resource import Resource, spec_of

if TYPE_CHECKING:
    from framework.engine.calls import Call

M = TypeVar("M", bound=Message)
Clause = tuple[str, Mapping[str, Any]]
"""A condition in SQL, with its parameters."""


async def create_while(
    call: "Call", resource: type[Resource[M]], columns: Mapping[str, Any], clause: Clause
) -> M | None:
    """Creates a resource of columns if a clause holds as it is written, and returns it without its times.

    It is one statement, which a crash of the database may undo within a second. Returns None, and has written and told
    nothing, where the clause does not hold, and where only the row as made could say whether it may be made: then it is
    to be created as any other.
    """
    spec, (condition, parameters) = spec_of(resource), clause
    row = new_row(spec, call.context, spec.message()) | dict(columns)
    if not known_permitted(spec, call.context, row):
        return None
    made: M = foreseen(spec, {}, row)
    write = insert_statement(spec.collection, row, condition), {**parameters, **values_of(row)}
    told = telling(spec, call.context, "created", write, made)
    return made if await written(call, told, tells="created" in spec.told, durable=False) else None


def standing(call: "Call", resource: type[Resource[M]], identifier: str, verb: str, lock_version: int) -> Clause:
    """Returns the clause that a row stands as it was read, and that the caller may see it and do this to it."""
    spec, context = spec_of(resource), call.context
    assert not guard_of(spec, context.actor), "what one may read of it another may not"
    sql, params = as_known(spec, context, identifier, verb, {"lock_version": lock_version})
    return f"EXISTS ({sql})", params
