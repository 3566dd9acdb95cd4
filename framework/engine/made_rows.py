"""What a message becomes when it is one of many: its row and what events tell of it, both out of one conversion."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import select

from framework.call import Context
from framework.engine.creating import content_in
from framework.engine.messages import copied
from framework.engine.readable import visible
from framework.engine.writing import content_hash, tellable
from framework.identifiers import new_id
from framework.plain import plain, plain_field
from framework.policy import rule_of
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field
from framework.resource.sensitive import holds_secrets, without_secrets
from framework.storage import Transaction, codec_of, table_of
from framework.storage.rows import enum_name, named
from framework.storage.tables import compiled

_ZEROS: Mapping[Kind, Any] = {Kind.TEXT: "", Kind.INTEGER: 0, Kind.BIGINT: 0, Kind.DOUBLE: 0, Kind.BOOLEAN: False}
# What the database sets.
_ITS_OWN = ("created_at", "updated_at")


@dataclass(frozen=True)
class Made:
    """One of many: its id, its message as it was given and prepared, its row and what is told of it, as JSON data."""

    id: UUID
    given: Any
    row: Mapping[str, Any]
    data: Mapping[str, Any]


class Makes:
    """Makes rows of messages for one call: what is the same for all of them is worked out once."""

    def __init__(self, spec: ResourceSpec, context: Context, now: datetime) -> None:
        self.spec = spec
        self.context = context
        columns = named(spec, spec.storage.initial) | ({"revision": 1} if spec.revisioned else {})
        times = {name: now for name in _ITS_OWN if name in spec.fields}
        public = {name: value for name, value in columns.items() if name in spec.fields}
        self._same = codec_of(spec).message({**public, **times, "lock_version": 1})
        self._same_data = plain(self._same)
        tenant = {"organization_id": str(context.organization_id)} if spec.tenant else {}
        self._columns = {**columns, **tenant}
        self._owner = spec.storage.owner or ""
        self._user = str(context.actor.user_id or "") if self._owner else ""
        self._asked = bool(rule_of(spec, "Create").asked)

    @classmethod
    async def at(cls, tx: Transaction, spec: ResourceSpec, context: Context) -> "Makes":
        """Returns what makes rows in a transaction, as of its time."""
        found = await tx.fetch_one("SELECT now() AS now")
        assert found is not None
        return cls(spec, context, found["now"])

    def made(self, message: Any) -> Made:
        """Returns what a message becomes, and completes it: it is then what a read of the row gives."""
        spec, identifier = self.spec, new_id()
        given = copied(message) if self._asked else message
        if self._user and not getattr(message, self._owner):
            setattr(message, self._owner, self._user)
        _round(spec, message)
        data = _kept(message)
        row = {**_blank(spec), **data, **self._columns, "id": str(identifier)}
        message.MergeFrom(self._same)
        message.id = row["id"]
        told = {"id": row["id"], **self._same_data}
        if spec.revisioned:
            row["content_hash"] = content_hash(content_in(spec, message, row))
            message.content_hash = told["content_hash"] = row["content_hash"]
        whole = plain(without_secrets(message)) if holds_secrets(message.DESCRIPTOR) else {**data, **told}
        return Made(identifier, given, row, tellable(spec, whole))

    def statement(self) -> tuple[str, dict[str, Any]]:
        """Returns the SQL that inserts `rows`, keeps their revisions, and says of each whether it may be made."""
        spec, table = self.spec, table_of(self.spec, "made")
        allowed = visible(spec, self.context, "Create", table).label("allowed_")
        asked, params = compiled(select(table.c.id, allowed))
        columns = {**dict.fromkeys(_blank(spec)), **self._columns, **({"content_hash": ""} if spec.revisioned else {})}
        names = ", ".join(columns)
        kept = f", kept AS ({_revisions(spec)})" if spec.revisioned else ""
        return (
            f"""WITH made AS (
                INSERT INTO {spec.collection} ({names})
                SELECT {names} FROM jsonb_populate_recordset(NULL::{spec.collection}, %(rows)s)
                ON CONFLICT DO NOTHING RETURNING *
            ){kept} {asked}""",
            params,
        )


def _kept(message: Any) -> dict[str, Any]:
    """Returns a message as JSON data; a null that is a whole field is no value, and taken out of both."""
    data = plain(message)
    for name in [name for name, value in data.items() if value is None]:
        message.ClearField(name)
        del data[name]
    return data


def _revisions(spec: ResourceSpec) -> str:
    content = ", ".join(f"'{name}', {name}" for name in spec.storage.content)
    return f"""INSERT INTO {spec.collection}_revisions (organization_id, id, revision, content, content_hash)
               SELECT organization_id, id, revision, jsonb_build_object({content}), content_hash FROM made"""


@cache
def _blank(spec: ResourceSpec) -> Mapping[str, Any]:
    """Returns the columns of a message that says nothing, but for those that the database sets."""
    empty = spec.message()
    return {
        name: enum_name(field, 0) if field.kind is Kind.ENUM and not field.nullable else _zero(empty, field)
        for name, field in spec.fields.items()
        if name not in _ITS_OWN
    }


def _zero(empty: Any, field: Field) -> Any:
    if field.descriptor.is_repeated:
        return plain_field(empty, field.descriptor)
    return None if field.nullable else _ZEROS.get(field.kind)


def _round(spec: ResourceSpec, message: Any) -> None:
    """Leaves of times what the database keeps of them: microseconds."""
    for name in _times(spec):
        if message.HasField(name):
            moment = getattr(message, name)
            moment.nanos -= moment.nanos % 1000


@cache
def _times(spec: ResourceSpec) -> tuple[str, ...]:
    return tuple(n for n, f in spec.fields.items() if f.kind is Kind.TIMESTAMP and n not in _ITS_OWN)
