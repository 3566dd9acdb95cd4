"""Who may see which program, as the program service's feed tells: a projection for policies, never the truth."""

from ashgrove.event.v1.event_pb2 import Event
from sqlalchemy import Boolean, Column, ColumnElement, FromClause, MetaData, Table, Text, and_, exists, or_
from sqlalchemy.dialects.postgresql import UUID

from framework.call import Actor
from framework.policy import sql_check
from framework.storage import Transaction

_uuid = UUID(as_uuid=True)
PROGRAMS = Table(
    "program_access",
    MetaData(),
    Column("organization_id", _uuid),
    Column("id", _uuid),
    Column("owner_id", _uuid),
    Column("visibility", Text()),
    Column("archived", Boolean()),
)
# Feeds are in order, and the condition keeps a replayed older event from overwriting a newer one.
_UPSERT = """
INSERT INTO program_access (organization_id, id, owner_id, visibility, archived, sequence)
VALUES (%(organization)s, %(id)s, %(owner)s, %(visibility)s, %(archived)s, %(sequence)s)
ON CONFLICT (organization_id, id) DO UPDATE
SET owner_id = excluded.owner_id, visibility = excluded.visibility, archived = excluded.archived,
    sequence = excluded.sequence
WHERE program_access.sequence < excluded.sequence
"""
_FORGET = "DELETE FROM program_access WHERE organization_id = %(organization)s AND id = %(id)s"


async def clear(tx: Transaction) -> None:
    """Forgets all programs."""
    await tx.execute("DELETE FROM program_access")


async def project(tx: Transaction, event: Event) -> None:
    """Keeps what an event about a program says about its access."""
    if event.resource_type != "program" or event.outcome != "OK":
        return
    if event.type == "program.purged":
        await tx.execute(_FORGET, {"organization": event.organization_id, "id": event.resource_id})
        return
    data = event.data.fields
    if "owner_id" not in data:
        return
    await tx.execute(
        _UPSERT,
        {
            "organization": event.organization_id,
            "id": event.resource_id,
            "owner": data["owner_id"].string_value,
            "visibility": data["visibility"].string_value,
            "archived": "archived_at" in data,
            "sequence": event.sequence,
        },
    )


def _readable(actor: Actor, table: FromClause) -> ColumnElement[bool]:
    mine = and_(PROGRAMS.c.organization_id == table.c.organization_id, PROGRAMS.c.id == table.c.program_id)
    public = PROGRAMS.c.visibility == "VISIBILITY_PUBLIC"
    allowed = public if actor.user_id is None else or_(public, PROGRAMS.c.owner_id == actor.user_id)
    return exists().where(and_(mine, allowed))


def _owned(actor: Actor, table: FromClause) -> ColumnElement[bool]:
    mine = and_(PROGRAMS.c.organization_id == table.c.organization_id, PROGRAMS.c.id == table.c.program_id)
    return exists().where(and_(mine, PROGRAMS.c.owner_id == actor.user_id))


def _nowhere(actor: Actor) -> bool:
    return actor.organization_id is None


of_readable_program = sql_check("of_readable_program", _readable, _nowhere)
of_owned_program = sql_check("of_owned_program", _owned, _nowhere)
