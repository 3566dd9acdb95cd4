"""Rows that are made by what was read before, and only while it stands: what need not be read again is not.

Nothing is judged by what may be out of date: the statement that writes asks whether the row is the one that was read,
and whether the caller may see it and do this to it now.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import and_, bindparam, select, true

from framework.call import Actor, Context
from framework.engine.creating import insert_statement, known_permitted, new_row, values_of
from framework.engine.foreseen import foreseen, written
from framework.engine.readable import walled
from framework.policy import guard_of, rule_of
from framework.policy.policies import Answers
from framework.resource import Resource, ResourceSpec, spec_of
from framework.storage import table_of
from framework.storage.tables import compiled

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
    return made if await written(call, spec, "created", write, made, durable=False) else None


def standing(call: "Call", resource: type[Resource[M]], identifier: str, verb: str, lock_version: int) -> Clause:
    """Returns the clause that a row stands as it was read, and that the caller may see it and do this to it."""
    spec, context = spec_of(resource), call.context
    assert not guard_of(spec, context.actor), "what one may read of it another may not"
    acts = (rule_of(spec, "Get").answers(context), rule_of(spec, verb).answers(context))
    condition, parameters = _condition(spec, context.actor, verb, acts)
    return condition, parameters | {"standing_": UUID(identifier), "stands_": lock_version}


# Keyed by the actor's facts, as what loads a row is.
@lru_cache(maxsize=4096)
def _condition(
    spec: ResourceSpec, actor: Actor, verb: str, acts: tuple[Answers, Answers]
) -> tuple[str, dict[str, Any]]:
    table = table_of(spec)
    permitted = [
        rule_of(spec, name).passing(answers).where(actor, table)
        for name, answers in zip(("Get", verb), acts, strict=True)
    ]
    same = [table.c[name] == bindparam(its, type_=table.c[name].type) for name, its in _SAME.items()]
    inside = walled(spec, Context(actor, verb, "", 0.0), table, and_(*permitted))
    sql, params = compiled(select(true().label("stands")).where(and_(inside, *same)))
    return f"EXISTS ({sql})", {name: value for name, value in params.items() if name not in _SAME.values()}


_SAME = {"id": "standing_", "lock_version": "stands_"}
