"""Values planted in sensitive fields, so that a test can look for them wherever they must not come."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from framework.resource.fields import is_sensitive
from framework.resource.sensitive import holds_secrets
from framework.storage import Database

# Partitions are read through what they are a part of.
_TABLES = """SELECT relname AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
             WHERE nspname = %(schema)s AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"""


def plant(message: Any, canary: str) -> Any:
    """Fills every sensitive text of a message, at any depth, and returns the message."""
    for field in message.DESCRIPTOR.fields:
        if is_sensitive(field) and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, canary)
        elif field.message_type is not None and holds_secrets(field.message_type):
            # A message that holds its own kind would be planted without an end.
            again = field.message_type.full_name == message.DESCRIPTOR.full_name
            if not again and not field.message_type.GetOptions().map_entry:
                held = getattr(message, field.name)
                plant(held.add() if field.is_repeated else held, canary)
    return message


async def tables_of(database: Database, *but: str) -> Mapping[str, str]:
    """Returns everything that rests in a service's tables, as text, but for tables where it may."""
    found: dict[str, str] = {}
    async with database.system() as tx:
        names = await tx.fetch(_TABLES, {"schema": database.service})
        for name in [row["name"] for row in names if row["name"] not in but]:
            rows = await tx.fetch(f'SELECT t::text AS row FROM "{name}" AS t')
            found[name] = "\n".join(row["row"] for row in rows)
    return found
