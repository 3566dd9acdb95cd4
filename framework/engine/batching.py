"""Creates many rows at once, all or none: asked, checked and told as single ones, in as few statements.

A batch goes to the database in portions, none of which is waited for before the next is made: the database writes one
while Python makes the next. What was written is looked at once all have been sent, and undone if anything is wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from framework.engine.behaviour import no_ids, unsound, without_output_only
from framework.engine.creating import new_row, permitted, refusal
from framework.engine.made_rows import Made, Makes
from framework.engine.messages import copied, refuse_if
from framework.engine.permitting import permit_fields
from framework.engine.writing import taken, tell_many
from framework.errors import FieldViolation, InvalidFields
from framework.policy import field_rules, rule_of
from framework.resource import ResourceSpec
from framework.storage import Asked, Transaction, as_json

if TYPE_CHECKING:
    from framework.engine.calls import Call

MOST = 1000
"""How many rows one batch may create."""
_PORTION = 250
_TURN = 50  # after so many rows other calls have a turn
_MOST_PLACES = 100


async def create_many(call: "Call", spec: ResourceSpec, messages: Sequence[Any], *, judged: bool = False) -> list[Any]:
    """Creates rows from messages and returns them in order; every refusal says which messages it is about.

    What is `judged` keeps its declared bounds, as the messages of a validated request do.
    """
    if not 0 < len(messages) <= MOST:
        raise InvalidFields(FieldViolation(spec.collection, f"must be 1 to {MOST} {spec.collection.replace('_', ' ')}"))
    clean = [_without_id(message) if judged else without_output_only(message) for message in messages]
    check = no_ids if judged else unsound
    refuse_if(v for i, message in enumerate(clean) for v in check(message, f"{spec.collection}[{i}]."))
    async with call.transaction() as tx:
        await _prepare(call, spec, clean)
        makes = await Makes.at(tx, spec, call.context)
        made, asked = await _insert(tx, spec, makes, clean)
        for portion in _portions(made):
            await tell_many(tx, spec, call.context, "created", [one.data for one in portion])
        allowed = await _kept(tx, spec, made, asked)
        await _permit(tx, call, spec, made, messages)
        if not all(allowed.values()):
            raise refusal(spec)
    return clean


def _without_id(message: Any) -> Any:
    # All else that is OUTPUT_ONLY was ignored when the request was read.
    clean = copied(message)
    clean.ClearField("id")
    return clean


def _portions(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + _PORTION] for start in range(0, len(rows), _PORTION)]


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


async def _insert(
    tx: Transaction, spec: ResourceSpec, makes: Makes, messages: Sequence[Any]
) -> tuple[list[Made], list[Asked]]:
    """Sends the rows, portion by portion; what the database makes of them is still to be asked."""
    made, asked, (sql, params) = [], [], makes.statement()
    for portion in _portions(messages):
        rows = [makes.made(message) async for _, message in _in_turns(portion)]
        asked.append(await tx.ask(sql, {**params, "rows": as_json([one.row for one in rows])}))
        made += rows
    return made, asked


async def _kept(tx: Transaction, spec: ResourceSpec, made: Sequence[Made], asked: Sequence[Asked]) -> dict[UUID, bool]:
    """Returns of each row whether the policies let it be; raises AlreadyExists for those whose values are taken."""
    allowed = {row["id"]: row["allowed_"] for one in asked for row in await tx.answer(one)}
    lost = [i for i, one in enumerate(made) if one.id not in allowed]
    if lost:
        places = ", ".join(f"{spec.collection}[{i}]" for i in lost[:_MOST_PLACES])
        raise taken(spec, await _conflicting(tx, spec, [made[i] for i in lost]), places=places)
    return allowed


async def _conflicting(tx: Transaction, spec: ResourceSpec, lost: Sequence[Made]) -> list[str]:
    """Returns the fields whose values the rows that were not inserted share with others."""
    table, given = spec.collection, as_json([one.row for one in lost])
    live = " AND old.archived_at IS NULL" if spec.archivable else ""
    found: list[str] = []
    for group in spec.storage.unique:
        same = " AND ".join(f"old.{n} = new.{n}" for n in (*group, *(["organization_id"] if spec.tenant else [])))
        query = f"""SELECT 1 FROM jsonb_populate_recordset(NULL::{table}, %(rows)s) AS new
                    JOIN {table} AS old ON {same}{live} LIMIT 1"""
        if await tx.fetch_one(query, {"rows": given}):
            found += group
    return list(dict.fromkeys(found))


async def _permit(
    tx: Transaction, call: "Call", spec: ResourceSpec, made: Sequence[Made], given: Sequence[Any]
) -> None:
    """Raises NotPermitted where policies that ask of what a row is made with refuse one; the others ask all at once."""
    if rule_of(spec, "Create").asked:
        for one in made:
            await permitted(tx, spec, call.context, one.given, {**new_row(spec, call.context, one.given), "id": one.id})
    if field_rules(spec).writes:
        for one, message in zip(made, given, strict=True):
            await permit_fields(tx, spec, call.context, one.id, message)
