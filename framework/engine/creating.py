"""Creates rows: each authorised in SQL over the very row as it was made."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from framework.call import Context
from framework.engine.behaviour import unsound, without_output_only
from framework.engine.foreseen import foreseen, telling
from framework.engine.messages import content_of, is_empty, refuse_if
from framework.engine.permitting import permit_fields
from framework.engine.reading import load
from framework.engine.writing import content_hash, keep_revisions, named_conflict, record
from framework.errors import NotFound, NotPermitted
from framework.identifiers import new_id
from framework.policy import rule_of
from framework.resource import Kind, ResourceSpec
from framework.storage import Expression, Transaction, codec_of
from framework.storage.rows import bare, named

if TYPE_CHECKING:
    from framework.engine.calls import Call


async def create(
    call: "Call",
    spec: ResourceSpec,
    message: Any,
    hidden: Mapping[str, Any],
    identifier: str,
    prefix: str,
    *,
    unread: bool = False,
) -> Any:
    """Creates a row from a message, once nothing is wrong with it."""
    clean = without_output_only(message)
    refuse_if(unsound(clean, prefix))
    async with call.transaction() as tx:
        await spec.resource().prepare(call, clean, None)
        created = await insert(tx, spec, call.context, clean, hidden, identifier, unread=unread)
        await permit_fields(tx, spec, call.context, UUID(created.id), message)
    return created


async def insert(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    message: Any,
    hidden: Mapping[str, Any],
    identifier: str = "",
    *,
    unread: bool = False,
) -> Any:
    """Inserts a row and returns it as a message; raises NotPermitted when the policies refuse the row as made.

    They are asked after the insert, of the row itself: defaults, owner and derived columns are in it. One that may be
    made whatever those are need not be read back: `unread` it lacks the times that the database sets.
    """
    row = new_row(spec, context, message) | dict(hidden)
    if identifier:
        row["id"] = UUID(identifier)
    if unread and known_permitted(spec, context, row):
        made = foreseen(spec, {}, row)
        written = insert_statement(spec.collection, row), values_of(row)
        await tx.leave(*telling(spec, context, "created", written, made), tells="created" in spec.told)
        return made
    with named_conflict(spec):
        stored = await tx.fetch_one(insert_statement(spec.collection, row), values_of(row))
    assert stored is not None, "what was inserted is returned"
    if not known_permitted(spec, context, stored):
        stored = await permitted(tx, spec, context, message, row)
    created = codec_of(spec).message(stored)
    if spec.revisioned:
        await keep_revisions(tx, spec, [(stored, content_of(spec, created))])
    await record(tx, spec, context, "created", created)
    return created


def known_permitted(spec: ResourceSpec, context: Context, stored: Mapping[str, Any]) -> bool:
    """Says whether the row in hand settles that it may be made; what asks the act is for the database."""
    rule = rule_of(spec, "Create")
    return not rule.asked and rule.check.allows(context.actor, stored)


async def permitted(
    tx: Transaction, spec: ResourceSpec, context: Context, message: Any, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a row that was just made; raises NotPermitted when the policies refuse it."""
    asks = bool(rule_of(spec, "Create").asked)
    filled = {n: (None, row[n]) for n in spec.fields if not is_empty(message, n)} if asks else {}
    try:
        return await load(tx, spec, replace(context, changes=filled), str(row["id"]), "Create")
    except NotFound:
        raise refusal(spec) from None


def refusal(spec: ResourceSpec) -> NotPermitted:
    """Returns the refusal of a row that its maker may not make."""
    return NotPermitted(f"you may not create this {spec.called}", action="Create")


def new_row(spec: ResourceSpec, context: Context, message: Any) -> dict[str, Any]:
    """Returns the row that a message becomes: the server's part of it completed, times left to the database."""
    row = {k: v for k, v in codec_of(spec).row(message).items() if k not in ("created_at", "updated_at")}
    row |= named(spec, spec.storage.initial)
    if spec.storage.owner and row.get(spec.storage.owner) is None:
        row[spec.storage.owner] = context.actor.user_id
    if spec.tenant:
        row["organization_id"] = context.organization_id
    if spec.revisioned:
        row |= {"revision": 1, "content_hash": content_hash(content_in(spec, message, row))}
    row["id"] = new_id()
    return row


def content_in(spec: ResourceSpec, message: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `content_of` does, out of the row where it holds the same."""
    json = {n for n in spec.storage.content if spec.fields[n].kind is Kind.JSON}
    return {n: bare(row[n]) if n in json else getattr(message, n) for n in spec.storage.content}


def insert_statement(table: str, row: Mapping[str, Any], condition: str = "") -> str:
    """Returns what inserts a row, if a condition holds where there is one, and returns it whole."""
    given = ", ".join(v.sql(c) if isinstance(v, Expression) else f"%({c})s" for c, v in row.items())
    source = f"SELECT {given} WHERE {condition}" if condition else f"VALUES ({given})"
    return f"INSERT INTO {table} ({', '.join(row)}) {source} RETURNING *"


def values_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the parameters of what inserts a row."""
    return {c: v.value if isinstance(v, Expression) else v for c, v in row.items()}
