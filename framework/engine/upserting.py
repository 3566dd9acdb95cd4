"""Creates a row, or changes the one that has its unique values: which it was is told, each under its own policies."""

from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import and_, select

from framework.engine import acting, creating
from framework.engine.behaviour import without_output_only
from framework.engine.readable import in_use, walled
from framework.engine.writing import taken
from framework.errors import AlreadyExists, NotFound, WriteConflict
from framework.resource import ResourceSpec
from framework.storage import Transaction, table_of
from framework.storage.rows import column_value
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.calls import Call

_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"


async def upsert(call: "Call", spec: ResourceSpec, message: Any, prefix: str) -> tuple[Any, bool]:
    """Returns the row as it is now, and whether it is new.

    What is there already is changed as an update without a mask does: the fields that the message fills, under the
    policies of updates and with its etag minded. Two that put the same at once are done one after the other.
    """
    async with call.transaction() as tx:
        values = _unique(call, spec, message)
        key = repr((str(call.actor.organization_id), spec.collection, sorted(map(repr, values.items()))))
        await tx.fetch(_ALONE, {"key": key})
        identifier = await _existing(tx, call, spec, values)
        if identifier is None:
            return await _created(call, spec, message, prefix), True
        wanted = without_output_only(message)
        wanted.id, wanted.etag = identifier, message.etag
        try:
            return await acting.replace(call, spec, wanted, FieldMask(), prefix), False
        except NotFound:  # whoever may not see it learns no more than from a create
            raise taken(spec, tuple(values)) from None


async def _created(call: "Call", spec: ResourceSpec, message: Any, prefix: str) -> Any:
    try:
        return await creating.create(call, spec, message, {}, "", prefix)
    except AlreadyExists:
        raise WriteConflict("somebody created it in this very moment: send it again") from None


def _unique(call: "Call", spec: ResourceSpec, message: Any) -> dict[str, Any]:
    """Returns the values by which the row is known, the owner's being the caller's."""
    (names,) = spec.storage.unique
    owner = spec.storage.owner
    return {n: call.actor.user_id if n == owner else column_value(spec.fields[n], message) for n in names}


async def _existing(tx: Transaction, call: "Call", spec: ResourceSpec, values: dict[str, Any]) -> str | None:
    table = table_of(spec)
    known = and_(*(table.c[name] == value for name, value in values.items()))
    theirs = walled(spec, call.context, table, known)
    row = await tx.fetch_one(*compiled(select(table.c.id).where(and_(theirs, in_use(spec, table, archived=False)))))
    return str(row["id"]) if row else None
