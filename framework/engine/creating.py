"""Creates rows, one or many, all or none: authorised in SQL over the very rows as they were made."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import any_, bindparam, select

from framework.call import Context
from framework.engine.behaviour import missing, unsound, without_output_only
from framework.engine.messages import content_of, is_empty, refuse_if
from framework.engine.permitting import permit_fields
from framework.engine.reading import load, scope
from framework.engine.writing import content_hash, keep_revisions, named_conflict, record, record_many, taken
from framework.errors import FieldViolation, InvalidFields, NotFound, NotPermitted
from framework.identifiers import new_id
from framework.policy import field_rules, rule_of
from framework.resource import Kind, ResourceSpec
from framework.storage import Transaction, codec_of, table_of
from framework.storage.rows import enum_name
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.calls import Call

MOST = 1000
"""How many rows one batch may create."""
_TURN = 50  # after so many rows of a batch other calls have a turn


async def create(
    call: "Call", spec: ResourceSpec, message: Any, hidden: Mapping[str, Any], identifier: str, prefix: str
) -> Any:
    """Creates a row from a message, once nothing is wrong with it."""
    clean = without_output_only(message)
    refuse_if(unsound(clean, prefix))
    async with call.transaction() as tx:
        await spec.resource().prepare(call, clean, None)
        created = await insert(tx, spec, call.context, clean, hidden, identifier)
        await permit_fields(tx, spec, call.context, UUID(created.id), message)
    return created


async def insert(
    tx: Transaction, spec: ResourceSpec, context: Context, message: Any, hidden: Mapping[str, Any], identifier: str = ""
) -> Any:
    """Inserts a row and returns it as a message; raises NotPermitted when the policies refuse the row as made.

    They are asked after the insert, of the row itself: defaults, owner and derived columns are in it.
    """
    row = _new_row(spec, context, message) | dict(hidden)
    if identifier:
        row["id"] = UUID(identifier)
    with named_conflict(spec):
        await tx.execute(_insert_statement(spec.collection, row), row)
    stored = await _permitted(tx, spec, context, message, row)
    created = codec_of(spec).message(stored)
    if spec.revisioned:
        await keep_revisions(tx, spec, [(stored, content_of(spec, created))])
    await record(tx, spec, context, "created", created)
    return created


async def _permitted(
    tx: Transaction, spec: ResourceSpec, context: Context, message: Any, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a row that was just made; raises NotPermitted when the policies refuse it."""
    asks = bool(rule_of(spec, "Create").asked)
    filled = {n: (None, row[n]) for n in spec.fields if not is_empty(message, n)} if asks else {}
    try:
        return await load(tx, spec, replace(context, changes=filled), str(row["id"]), "Create")
    except NotFound:
        raise _refusal(spec) from None


async def create_many(call: "Call", spec: ResourceSpec, messages: Sequence[Any], *, judged: bool = False) -> list[Any]:
    """Creates rows from messages, all or none, in as many statements as one takes.

    What is `judged` keeps its declared bounds, as the messages of a validated request do.
    """
    if not 0 < len(messages) <= MOST:
        raise InvalidFields(FieldViolation(spec.collection, f"must be 1 to {MOST} {spec.collection.replace('_', ' ')}"))
    clean = [without_output_only(message) for message in messages]
    check = missing if judged else unsound
    refuse_if(v for i, message in enumerate(clean) for v in check(message, f"{spec.collection}[{i}]."))
    async with call.transaction() as tx:
        await _prepared(call, spec, clean)
        return await _insert_many(tx, spec, call.context, clean, messages)


async def _prepared(call: "Call", spec: ResourceSpec, messages: Sequence[Any]) -> None:
    """Prepares every message; raises what is wrong with all of them at once."""
    resource, faults = spec.resource(), []
    for i, message in enumerate(messages):
        if i % _TURN == 0:
            await asyncio.sleep(0)
        try:
            await resource.prepare(call, message, None)
        except InvalidFields as refused:
            faults += [FieldViolation(_within(spec, i, v.path), v.message) for v in refused.violations]
    refuse_if(faults)


def _within(spec: ResourceSpec, index: int, path: str) -> str:
    return f"{spec.collection}[{index}].{path.removeprefix(f'{spec.singular}.')}"


async def _insert_many(
    tx: Transaction, spec: ResourceSpec, context: Context, messages: Sequence[Any], given: Sequence[Any]
) -> list[Any]:
    rows = []
    for i, message in enumerate(messages):
        if i % _TURN == 0:
            await asyncio.sleep(0)
        rows.append(_new_row(spec, context, message))
    await _written(tx, spec, rows)
    if rule_of(spec, "Create").asked:  # what each row is made with has a say of its own
        for row, message in zip(rows, messages, strict=True):
            await _permitted(tx, spec, context, message, row)
    if field_rules(spec).writes:
        for row, message in zip(rows, given, strict=True):
            await permit_fields(tx, spec, context, row["id"], message)
    created = await _as_made(tx, spec, context, rows, messages)
    if spec.revisioned:
        await keep_revisions(tx, spec, [(r, _content(spec, m, r)) for r, m in zip(rows, messages, strict=True)])
    await record_many(tx, spec, context, "created", created)
    return created


async def _written(tx: Transaction, spec: ResourceSpec, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows in one statement; raises AlreadyExists that names those whose unique values are taken."""
    names = ", ".join(rows[0])
    statement = f"""INSERT INTO {spec.collection} ({names})
        SELECT {names} FROM jsonb_populate_recordset(NULL::{spec.collection}, %(rows)s)
        ON CONFLICT DO NOTHING RETURNING id"""
    kept = {row["id"] for row in await tx.fetch(statement, {"rows": Jsonb([_plain(row) for row in rows])})}
    places = [f"{spec.collection}[{i}]" for i, row in enumerate(rows) if row["id"] not in kept]
    if places:
        fields = dict.fromkeys(name for group in spec.storage.unique for name in group)
        raise taken(spec, tuple(fields), places=", ".join(places[:100]))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, UUID | datetime) else _bare(value) for name, value in row.items()}


def _bare(value: Any) -> Any:
    return value.obj if isinstance(value, Jsonb) else value


async def _as_made(
    tx: Transaction, spec: ResourceSpec, context: Context, rows: Sequence[Mapping[str, Any]], messages: Sequence[Any]
) -> list[Any]:
    """Returns the rows as messages; raises NotPermitted when the policies refuse one of them as made.

    Only what the database and the server add is read back: the rest is what was just written.
    """
    table = table_of(spec)
    added = [n for n, f in spec.fields.items() if f.output_only or f.kind is Kind.TIMESTAMP]
    query = select(*(table.c[n] for n in added), table.c.lock_version).where(
        scope(spec, context, "Create"), table.c.id == any_(bindparam("ids"))
    )
    sql, params = compiled(query)
    found = {row["id"]: row for row in await tx.fetch(sql, params | {"ids": [row["id"] for row in rows]})}
    if len(found) < len(rows):
        raise _refusal(spec)
    codec = codec_of(spec)
    for row, message in zip(rows, messages, strict=True):
        for name in added:
            message.ClearField(name)
        codec.fill(message, found[row["id"]])
    return list(messages)


def _refusal(spec: ResourceSpec) -> NotPermitted:
    return NotPermitted(f"you may not create this {spec.singular.replace('_', ' ')}", action="Create")


def _new_row(spec: ResourceSpec, context: Context, message: Any) -> dict[str, Any]:
    row = {k: v for k, v in codec_of(spec).row(message).items() if k not in ("created_at", "updated_at")}
    for name, value in spec.storage.initial.items():
        field = spec.fields.get(name)
        row[name] = enum_name(field, value) if field and field.kind is Kind.ENUM else value
    if spec.storage.owner and row.get(spec.storage.owner) is None:
        row[spec.storage.owner] = context.actor.user_id
    if spec.tenant:
        row["organization_id"] = context.organization_id
    if spec.revisioned:
        row |= {"revision": 1, "content_hash": content_hash(_content(spec, message, row))}
    row["id"] = new_id()
    return row


def _content(spec: ResourceSpec, message: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `content_of` does, out of the row where it holds the same."""
    json = {n for n in spec.storage.content if spec.fields[n].kind is Kind.JSON}
    return {n: _bare(row[n]) if n in json else getattr(message, n) for n in spec.storage.content}


def _insert_statement(table: str, row: Mapping[str, Any]) -> str:
    columns = ", ".join(row)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f'%({c})s' for c in row)})"
