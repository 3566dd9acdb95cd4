"""Reads of one row, each statement walled by tenant, policy and deadline."""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, select, true

from framework.call import Actor, Context
from framework.engine.readable import Readable, visible, walled
from framework.engine.selecting import STORED, Fetched, columns_of
from framework.engine.withholding import withheld
from framework.errors import NotFound, NotPermitted
from framework.policy import guard_of, rule_of
from framework.policy.policies import Answers
from framework.resource import ResourceSpec
from framework.storage import Reads, Transaction, table_of
from framework.storage.tables import compiled


def scope(spec: ResourceSpec, context: Context, verb: str) -> ColumnElement[bool]:
    """Returns the clause for the rows of a resource's own table on which the actor may do this."""
    return visible(spec, context, verb, table_of(spec))


async def load(
    tx: Reads | Transaction,
    spec: ResourceSpec,
    context: Context,
    identifier: str,
    verb: str,
    *,
    lock: bool = False,
    fetched: Fetched = STORED,
) -> dict[str, Any]:
    """Returns the row that the actor may act on; hidden and missing alike are NotFound, a forbidden act is not."""
    row = await tx.fetch_one(*_question(spec, context, identifier, verb, lock, fetched))
    return _judged(row, spec, identifier, verb)


async def ask(
    tx: Transaction, spec: ResourceSpec, context: Context, identifier: str, verb: str
) -> Callable[[], Awaitable[dict[str, Any]]]:
    """Leaves the question that `load` asks for a row to lock it, to travel with the next one.

    What it returns takes the answer, and raises as `load` does.
    """
    asked = await tx.leave(*_question(spec, context, identifier, verb, True, STORED))

    async def answer() -> dict[str, Any]:
        found = await tx.answer(asked)
        return _judged(found[0] if found else None, spec, identifier, verb)

    return answer


async def require(
    tx: Transaction, spec: ResourceSpec, context: Context, identifier: str, verb: str, known: Mapping[str, Any]
) -> None:
    """Leaves the question that `load` asks for a row to lock it; it is Unmet by one that is not as it is known."""
    await tx.require(*as_known(spec, context, identifier, verb, known, lock=True))


def as_known(
    spec: ResourceSpec, context: Context, identifier: str, verb: str, known: Mapping[str, Any], *, lock: bool = False
) -> tuple[str, dict[str, Any]]:
    """Returns what finds a row where `load` would return one, and its columns are as they are known."""
    sql, params = _question(spec, context, identifier, verb, lock, STORED)
    same = "".join(f" AND {name} = %({name}_known)s" for name in known)
    given = {f"{name}_known": value for name, value in known.items()}
    return f"SELECT 1 FROM ({sql}) AS found WHERE allowed_{same}", params | given


def _question(
    spec: ResourceSpec, context: Context, identifier: str, verb: str, lock: bool, fetched: Fetched
) -> tuple[str, dict[str, Any]]:
    uuid = identifier_of(spec, identifier)
    acts = (rule_of(spec, "Get").answers(context), rule_of(spec, verb).answers(context))
    sql, params = _load_statement(spec, context.actor, verb, lock, fetched, acts)
    return sql, params | {"id_": uuid}


def _judged(row: dict[str, Any] | None, spec: ResourceSpec, identifier: str, verb: str) -> dict[str, Any]:
    if row is None:
        raise NotFound(spec.singular, identifier)
    if not row.pop("allowed_"):
        raise NotPermitted(f"you may see this {spec.called}, and may not {verb} it", action=verb)
    return row


# Keyed by the actor's facts: a token is refreshed every few seconds, its user's rights are the same. What the act
# answers to the checks that ask it is a key as well, and nearly always empty.
@lru_cache(maxsize=4096)
def _load_statement(
    spec: ResourceSpec, actor: Actor, verb: str, lock: bool, fetched: Fetched, acts: tuple[Answers, Answers]
) -> tuple[str, dict[str, Any]]:
    readable = Readable(spec, Context(actor, verb, "", 0.0))
    table = readable.table
    seen, allowed = (
        rule_of(spec, name).passing(answers).where(actor, table)
        for name, answers in zip(("Get", verb), acts, strict=True)
    )
    # A row that was just inserted need not be readable by its maker; whether it may be made is the same question.
    visible = walled(spec, readable.context, table, allowed if verb == "Create" else seen)
    # What is found by the answer to a question is not asked it again: policies may be subqueries.
    answered = true() if verb in ("Get", "Create") else allowed
    query = select(*columns_of(readable, fetched), answered.label("allowed_")).where(
        and_(visible, table.c.id == bindparam("id_", type_=table.c.id.type))
    )
    sql, params = compiled(query.with_for_update(of=table) if lock else query)
    params.pop("id_", None)
    return sql, params


def identifier_of(spec: ResourceSpec, identifier: str) -> UUID:
    """Returns an id as UUID; what is none can name nothing, so it is NotFound."""
    try:
        return UUID(identifier)
    except ValueError:
        raise NotFound(spec.singular, identifier[:64]) from None


async def revision_of(
    tx: Reads | Transaction, spec: ResourceSpec, context: Context, row: Mapping[str, Any], revision: int
) -> dict[str, Any]:
    """Returns the row, fetched to be told, with an earlier revision's content in place of the current one.

    What field policies keep of the current content they keep of every earlier one.
    """
    if revision in (0, row["revision"]):
        return dict(row)
    kept = withheld(guard_of(spec, context.actor), row)
    found = await tx.fetch_one(
        f"""SELECT content - %(kept)s::text[] AS content, content_hash FROM {spec.collection}_revisions
            WHERE organization_id = %(organization)s AND id = %(id)s AND revision = %(revision)s""",
        {"organization": row["organization_id"], "id": row["id"], "revision": revision, "kept": kept},
    )
    if found is None:
        raise NotFound(f"{spec.singular}_revision", f"{row['id']}@{revision}")
    # What a revision does not mention was no content yet when it was made: it is empty there, whatever it is now.
    content = dict.fromkeys(spec.storage.content) | found["content"]
    told = {**row, **content, "revision": revision, "content_hash": found["content_hash"]}
    return {name: value for name, value in told.items() if name not in kept}
