"""The call as an action sees it: reads and writes of resources under the caller's own policies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import and_, select

from framework.call import Actor, Context
from framework.engine import permitting, reading, writing
from framework.engine.messages import (
    changed,
    merged,
    missing,
    refuse_if,
    violations_of,
    without_output_only,
)
from framework.engine.selecting import EVERYTHING, Selection
from framework.query import order_from
from framework.resource import Kind, Resource, ResourceSpec, spec_of
from framework.storage import Database, Reads, Transaction, codec_of, table_of
from framework.storage.rows import column_value, enum_name
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.dispatch import Engine

M = TypeVar("M", bound=Message)
# No single transaction lasts longer, even on a stream that lasts for days.
LONGEST_SECONDS = 30.0


class Call:
    """One call: its context, the service's own things, and the standard methods, each under the caller's policies.

    Inside `async with call.transaction()` all of them share one transaction; outside, each has its own.
    """

    def __init__(self, engine: "Engine", context: Context) -> None:
        self.engine = engine
        self.context = context
        self._open: Transaction | None = None

    @property
    def actor(self) -> Actor:
        """Who calls."""
        return self.context.actor

    @property
    def application(self) -> Any:
        """The service's own object: channels, caches, settings."""
        return self.engine.application

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.engine.database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Opens the call's transaction, or joins the one that is open."""
        if self._open is not None:
            yield self._open
            return
        organization = self.actor.organization_id
        async with self.database.tenant(organization, min(self.context.remaining(), LONGEST_SECONDS)) as tx:
            self._open = tx
            try:
                yield tx
            finally:
                self._open = None

    def reads(self) -> Reads | Transaction:
        """Returns what queries go through: the call's open transaction, or single reads."""
        if self._open is not None:
            return self._open
        return self.database.reads(self.actor.organization_id, min(self.context.remaining(), LONGEST_SECONDS))

    async def row(
        self, resource: type[Resource[M]], identifier: str, verb: str = "Get", *, lock: bool = False
    ) -> dict[str, Any]:
        """Returns a row with its hidden columns; NotFound when hidden or missing, NotPermitted when only seen."""
        async with self.transaction() as tx:
            return await reading.load(tx, spec_of(resource), self.context, identifier, verb, lock=lock)

    async def get(
        self,
        resource: type[Resource[M]],
        identifier: str,
        *,
        revision: int = 0,
        verb: str = "Get",
        mask: FieldMask | None = None,
    ) -> M:
        """Returns a resource, at an earlier content revision when one is named; what no mask names is not fetched."""
        spec = spec_of(resource)
        reads = self.reads()
        selection = Selection(spec, self.context, mask or EVERYTHING)
        fetched = selection.fetched._replace(stored=None) if revision else selection.fetched
        row = await reading.load(reads, spec, self.context, identifier, verb, fetched=fetched)
        if revision:
            row = await reading.revision_of(reads, spec, self.context, row, revision)
        message: M
        (message,) = await selection.messages(self, [row], resource().derive if revision else None)
        return message

    async def create(
        self,
        resource: type[Resource[M]],
        message: M,
        *,
        hidden: Mapping[str, Any] | None = None,
        identifier: str = "",
        prefix: str = "",
    ) -> M:
        """Creates a resource from a message, OUTPUT_ONLY fields ignored; `prefix` leads the paths of violations."""
        spec = spec_of(resource)
        clean = without_output_only(spec, message)
        refuse_if([*violations_of(clean, prefix), *missing_only(spec, clean, prefix)])
        async with self.transaction() as tx:
            await resource().prepare(self, clean, None)
            created: Any = await writing.insert(tx, spec, self.context, clean, hidden or {}, identifier)
            await permitting.permit_fields(tx, spec, self.context, UUID(created.id), message)
        return created  # type: ignore[no-any-return]

    async def replace(self, resource: type[Resource[M]], message: Any, mask: Any, prefix: str = "") -> M:
        """Updates the fields that a mask names, with etag, field behaviour and bounds of the whole respected.

        An update that changes nothing writes nothing and is not told.
        """
        spec = spec_of(resource)
        async with self.transaction() as tx:
            row = await reading.load(tx, spec, self.context, message.id, "Update", lock=True)
            writing.check_etag(row, getattr(message, "etag", ""))
            writing.check_in_use(spec, row, "Update")
            old = codec_of(spec).message(row)
            paths = await permitting.permitted_paths(tx, spec, self.context, row, message, mask)
            new = merged(spec, old, message, paths.written, prefix)
            refuse_if([*violations_of(new, prefix), *missing_only(spec, new, prefix)])
            await resource().prepare(self, new, old)
            # What its writer could not read counts as changed: else writing a guess would tell whether it was right.
            columns = {n: column_value(spec.fields[n], new) for n in {*changed(spec, old, new), *paths.unread}}
            await permitting.permit_change(tx, spec, self.context, row, columns, "Update")
            written: M = await writing.change(tx, spec, self.context, row, columns) if columns else old
        return written

    async def update(
        self,
        resource: type[Resource[M]],
        identifier: str,
        columns: Mapping[str, Any],
        *,
        verb: str = "Update",
        etag: str = "",
    ) -> M:
        """Writes columns, hidden ones too, free of the bounds for clients; enum numbers and names both fit."""
        spec = spec_of(resource)
        async with self.transaction() as tx:
            row = await reading.load(tx, spec, self.context, identifier, verb, lock=True)
            writing.check_etag(row, etag)
            named = _named(spec, columns)
            await permitting.permit_change(tx, spec, self.context, row, named, verb)
            written: M = await writing.change(tx, spec, self.context, row, named)
        return written

    async def archive(self, resource: type[Resource[M]], identifier: str, etag: str = "") -> M:
        """Puts a resource away; an archived one is returned as it is."""
        spec = spec_of(resource)
        async with self.transaction() as tx:
            row = await reading.load(tx, spec, self.context, identifier, "Archive", lock=True)
            if row["archived_at"] is not None:
                kept: M = codec_of(spec).message(row)
                return kept
            writing.check_etag(row, etag)
            now = await tx.fetch_one("SELECT now() AS now")
            assert now is not None
            columns = {"archived_at": now["now"], "status": spec.archived_status}
            await permitting.permit_change(tx, spec, self.context, row, columns, "Archive")
            archived: M = await writing.change(tx, spec, self.context, row, columns, "archived")
        return archived

    async def list(
        self,
        resource: type[Resource[M]],
        equal: Mapping[str, Any],
        *,
        limit: int = 1000,
        order_by: str = "",
    ) -> Sequence[M]:
        """Returns the resources that the caller may list whose columns have these values."""
        spec = spec_of(resource)
        selection = Selection(spec, self.context)
        table, order = table_of(spec), order_from(order_by, selection.readable)
        clauses = [
            reading.scope(spec, self.context, "List"),
            *(table.c[n] == v for n, v in _named(spec, equal).items()),
        ]
        query = select(*selection.columns()).where(and_(*clauses)).order_by(*order.terms(selection.readable))
        async with self.transaction() as tx:
            rows = await tx.fetch(*compiled(query.limit(limit)))
        return [selection.message(row) for row in rows]


def missing_only(spec: ResourceSpec, message: Any, prefix: str) -> Any:
    """Returns the REQUIRED fields that are empty and that no declared bound complains of already."""
    complained = {v.path for v in violations_of(message, prefix)}
    return [v for v in missing(spec, message, prefix) if v.path not in complained]


def _named(spec: ResourceSpec, columns: Mapping[str, Any]) -> dict[str, Any]:
    named = dict(columns)
    for name, value in columns.items():
        field = spec.fields.get(name)
        if field and field.kind is Kind.ENUM and isinstance(value, int):
            named[name] = enum_name(field, value)
    return named
