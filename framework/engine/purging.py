"""Purges rows: archived ones only, with what is a part of them, and never what something else still refers to."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from framework.engine.acting import Row, approached
from framework.engine.writing import record
from framework.errors import IllegalState, InvalidFields
from framework.resource import Registry, ResourceSpec
from framework.storage import Transaction, codec_of

if TYPE_CHECKING:
    from framework.engine.calls import Call


async def purge(call: "Call", spec: ResourceSpec, identifier: str, etag: str) -> None:
    """Deletes an archived row for good; its revisions, and the rows that are declared a part of it, go with it.

    Its event tells the id and who could see it, and no content. Raises IllegalState that names what still refers to it.
    """
    async with call.transaction() as tx:
        row = await approached(call, tx, spec, identifier, "Purge", etag=etag)
        await _refuse_if_referred(call.engine.registry, tx, spec, row)
        await _delete(tx, spec, row)
        await record(tx, spec, call.context, "purged", spec.message(id=str(row["id"])), old=codec_of(spec).message(row))


async def _refuse_if_referred(registry: Registry, tx: Transaction, spec: ResourceSpec, row: Row) -> None:
    holding = list(_holding(registry, spec))
    if not holding:
        return
    asked = ", ".join(f"{clause} AS holds_{i}" for i, (_, clause) in enumerate(holding))
    found = await tx.fetch_one(f"SELECT {asked}", _key(row))
    assert found is not None
    names = list(dict.fromkeys(other for i, (other, _) in enumerate(holding) if found[f"holds_{i}"]))
    if names:
        raise _referred(spec, row, ", ".join(names))


def _holding(registry: Registry, spec: ResourceSpec) -> Iterator[tuple[str, str]]:
    """Yields what may refer to the row and is no part of it: each table, with the SQL that asks whether it does."""
    for other in registry.specs.values():
        tenant = "organization_id = %(organization)s AND " if other.tenant else ""
        for column, target in other.storage.references.items():
            if target == spec.collection and column not in other.storage.part_of:
                yield other.collection, f"EXISTS (SELECT FROM {other.collection} WHERE {tenant}{column} = %(id)s)"


async def _delete(tx: Transaction, spec: ResourceSpec, row: Row) -> None:
    tenant = "organization_id = %(organization)s AND " if spec.tenant else ""
    statement = f"DELETE FROM {spec.collection} WHERE {tenant}id = %(id)s AND archived_at IS NOT NULL"
    try:
        deleted = await tx.execute(statement, _key(row))
    except InvalidFields:  # a foreign key holds it: of a row that came since we looked, or of a table nobody declared
        raise _referred(spec, row, "other rows") from None
    assert deleted == 1, "the row is locked, and archived"


def _key(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "organization": row.get("organization_id")}


def _referred(spec: ResourceSpec, row: Row, names: str) -> IllegalState:
    assert spec.states is not None
    state = spec.states.of(row[spec.states.field])
    others = names.replace("_", " ")
    told = f"this {spec.called} is still referred to by {others}; legal: purge those first"
    return IllegalState(told, status=state, action="Purge", referred_by=names, legal="none")
