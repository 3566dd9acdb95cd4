"""Creates many rows at once, all or none: asked, checked and told as single ones, in as few statements."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import any_, bindparam, select

from framework.call import Context
from framework.engine.behaviour import incomplete, unsound, without_output_only
from framework.engine.creating import bare, content_in, new_row, permitted, refusal
from framework.engine.messages import refuse_if
from framework.engine.permitting import permit_fields
from framework.engine.reading import scope
from framework.engine.writing import keep_revisions, record_many, taken
from framework.errors import FieldViolation, InvalidFields
from framework.policy import field_rules, rule_of
from framework.resource import Kind, ResourceSpec
from framework.storage import Transaction, codec_of, table_of
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.calls import Call

MOST = 1000
"""How many rows one batch may create."""
_TURN = 50  # after so many rows other calls have a turn
_MOST_PLACES = 100
Row = dict[str, Any]


async def create_many(call: "Call", spec: ResourceSpec, messages: Sequence[Any], *, judged: bool = False) -> list[Any]:
    """Creates rows from messages and returns them in order; every refusal says which messages it is about.

    What is `judged` keeps its declared bounds, as the messages of a validated request do.
    """
    if not 0 < len(messages) <= MOST:
        raise InvalidFields(FieldViolation(spec.collection, f"must be 1 to {MOST} {spec.collection.replace('_', ' ')}"))
    clean = [without_output_only(message) for message in messages]
    check = incomplete if judged else unsound
    refuse_if(v for i, message in enumerate(clean) for v in check(message, f"{spec.collection}[{i}]."))
    async with call.transaction() as tx:
        await _prepare(call, spec, clean)
        rows = [new_row(spec, call.context, message) async for _, message in _in_turns(clean)]
        await _insert(tx, spec, rows)
        await _permit(tx, spec, call.context, rows, clean, messages)
        made = await _as_made(tx, spec, call.context, rows, clean)
        if spec.revisioned:
            await keep_revisions(tx, spec, [(r, content_in(spec, m, r)) for r, m in zip(rows, clean, strict=True)])
        await record_many(tx, spec, call.context, "created", made)
    return made


async def _in_turns(messages: Sequence[Any]) -> AsyncIterator[tuple[int, Any]]:
    """Yields messages with their places, and lets other calls have their turns meanwhile."""
    for place in enumerate(messages):
        if place[0] % _TURN == 0:
            await asyncio.sleep(0)
        yield place


async def _prepare(call: "Call", spec: ResourceSpec, messages: Sequence[Any]) -> None:
    """Prepares every message; raises what is wrong with all of them at once."""
    resource, faults = spec.resource(), []
    async for i, message in _in_turns(messages):
        try:
            await resource.prepare(call, message, None)
        except InvalidFields as refused:
            faults += [FieldViolation(_within(spec, i, v.path), v.message) for v in refused.violations]
    refuse_if(faults)


def _within(spec: ResourceSpec, index: int, path: str) -> str:
    return f"{spec.collection}[{index}].{path.removeprefix(f'{spec.singular}.')}"


async def _insert(tx: Transaction, spec: ResourceSpec, rows: Sequence[Row]) -> None:
    """Inserts the rows; raises AlreadyExists that names those whose unique values are taken."""
    names, given = ", ".join(rows[0]), Jsonb([_plain(row) for row in rows])
    statement = f"""INSERT INTO {spec.collection} ({names})
        SELECT {names} FROM jsonb_populate_recordset(NULL::{spec.collection}, %(rows)s)
        ON CONFLICT DO NOTHING RETURNING id"""
    kept = {row["id"] for row in await tx.fetch(statement, {"rows": given})}
    lost = [i for i, row in enumerate(rows) if row["id"] not in kept]
    if lost:
        places = ", ".join(f"{spec.collection}[{i}]" for i in lost[:_MOST_PLACES])
        raise taken(spec, await _conflicting(tx, spec, given, [rows[i]["id"] for i in lost]), places=places)


def _plain(row: Mapping[str, Any]) -> Row:
    return {name: str(value) if isinstance(value, UUID | datetime) else bare(value) for name, value in row.items()}


async def _conflicting(tx: Transaction, spec: ResourceSpec, given: Jsonb, lost: list[UUID]) -> list[str]:
    """Returns the fields whose values the rows that were not inserted share with others."""
    table = spec.collection
    live = " AND old.archived_at IS NULL" if spec.archivable else ""
    found: list[str] = []
    for group in spec.storage.unique:
        same = " AND ".join(f"old.{n} = new.{n}" for n in (*group, *(["organization_id"] if spec.tenant else [])))
        query = f"""SELECT 1 FROM jsonb_populate_recordset(NULL::{table}, %(rows)s) AS new
                    JOIN {table} AS old ON {same}{live} WHERE new.id = ANY(%(lost)s) LIMIT 1"""
        if await tx.fetch_one(query, {"rows": given, "lost": lost}):
            found += group
    return list(dict.fromkeys(found))


async def _permit(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    rows: Sequence[Row],
    messages: Sequence[Any],
    given: Sequence[Any],
) -> None:
    """Raises NotPermitted where policies that ask of what a row is made with refuse one; the others ask all at once."""
    if rule_of(spec, "Create").asked:
        for row, message in zip(rows, messages, strict=True):
            await permitted(tx, spec, context, message, row)
    if field_rules(spec).writes:
        for row, message in zip(rows, given, strict=True):
            await permit_fields(tx, spec, context, row["id"], message)


async def _as_made(
    tx: Transaction, spec: ResourceSpec, context: Context, rows: Sequence[Row], messages: Sequence[Any]
) -> list[Any]:
    """Returns the rows as messages; raises NotPermitted when the policies refuse one of them as made.

    Only times, which the database sets or rounds, are read back: the rest is what was just written.
    """
    table, codec = table_of(spec), codec_of(spec)
    times = [table.c[n] for n, f in spec.fields.items() if f.kind is Kind.TIMESTAMP]
    added = [n for n, f in spec.fields.items() if f.output_only and f.kind not in (Kind.TIMESTAMP, Kind.JSON)]
    mine = table.c.id == any_(bindparam("ids"))
    query = select(table.c.id, *times, table.c.lock_version).where(scope(spec, context, "Create"), mine)
    sql, params = compiled(query)
    found = {row["id"]: row for row in await tx.fetch(sql, params | {"ids": [row["id"] for row in rows]})}
    if len(found) < len(rows):
        raise refusal(spec)
    for row, message in zip(rows, messages, strict=True):
        codec.fill(message, {n: row[n] for n in added if n in row} | found[row["id"]])
    return list(messages)
