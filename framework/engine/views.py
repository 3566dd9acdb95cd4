"""What one watcher has in view: decided by its policies, filter and mask, each time anew from the rows as they are."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from ashgrove.resource.v1.watch_pb2 import WatchRequest, WatchResponse
from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, and_, select

from framework.engine.calls import Call
from framework.engine.changes import Change
from framework.engine.readable import in_use, visible
from framework.engine.selecting import Selection
from framework.errors import ViewChanged
from framework.policy import deciding_fields, field_rules, rule_of
from framework.query import filter_clause
from framework.resource import Kind, ResourceSpec
from framework.storage import table_of
from framework.storage.tables import compiled

Item = WatchResponse.Item
_REMEMBERED = 10_000
_TYPES = {
    "created": Item.TYPE_CREATED,
    "updated": Item.TYPE_UPDATED,
    "archived": Item.TYPE_ARCHIVED,
    "unarchived": Item.TYPE_UNARCHIVED,
}
# What images hold of a row: the kinds that policies compare, whose text in an event is their text in SQL.
_IMAGED = (Kind.UUID, Kind.TEXT, Kind.ENUM, Kind.BOOLEAN, Kind.TIMESTAMP)


class View:
    """The rows of a collection that a watcher sees, and which of them it was told of."""

    def __init__(self, call: Call, spec: ResourceSpec, request: WatchRequest) -> None:
        self.call = call
        self.spec = spec
        self.selection = Selection(spec, call.context, request.read_mask)
        table = self.selection.readable.table
        self._inside: ColumnElement[bool] = and_(
            visible(spec, call.context, "Get", table),
            filter_clause(request.filter, self.selection.readable),
            in_use(spec, table, archived=request.show_archived),
        )
        self._settled = rule_of(spec, "Get").check.decide(call.actor) is True
        self._parents = {s.singular: s for s in call.engine.registry.specs.values() if s in _parents(call, spec)}
        self.kinds = frozenset({spec.singular, *self._parents})
        """The resources whose events may change what is in view."""
        # Where policies ask about the call itself, everybody is different.
        asks = rule_of(spec, "Get").asked
        self._alike = None if asks else (spec, replace(call.actor, credential_id=""), _asked(request))
        # Whether a resource that was told of is in view; those that were told of least recently are forgotten.
        self._known: OrderedDict[str, bool] = OrderedDict()

    async def items(self, changes: Sequence[Change]) -> list[Item]:
        """Returns what the watcher is told of these changes, in one statement, or two when something left its view.

        Raises ViewChanged when what the rows hang on is seen by the watcher no more, or newly.
        """
        await self._refuse_if_parents_moved(changes)
        mine = [change for change in changes if change.resource_type == self.spec.singular]
        if not mine:
            return []
        shown = await self._shown(tuple(change.id for change in mine), mine[-1].sequence)
        gone = await self._could_see([c for c in mine if c.id not in shown and self._known.get(c.id, True)])
        items = [self._item(c, shown.get(c.id)) for c in mine if c.id in shown or c.id in gone]
        for change in mine:
            self._note(change.id, change.id in shown)
        return items

    async def lost(self, position: int) -> list[Item]:
        """Returns that resources are removed which the watcher was shown and which left its view without an event."""
        held = [identifier for identifier, inside in self._known.items() if inside]
        if not held:
            return []
        table = self.selection.readable.table
        rows = await self._fetch(select(table.c.id).where(and_(table.c.id.in_(map(UUID, held)), self._inside)))
        still = {str(row["id"]) for row in rows}
        gone = [identifier for identifier in held if identifier not in still]
        for identifier in gone:
            self._note(identifier, False)
        return [Item(type=Item.TYPE_REMOVED, resource_id=identifier, sequence=position) for identifier in gone]

    async def _shown(self, identifiers: tuple[str, ...], position: int) -> dict[str, Any]:
        """Returns those of the resources that are in view, as the watcher may see them now.

        Watchers who ask for the same with the same rights at the same moment are answered by one statement.
        """
        if self._alike is None:
            return await self._read(identifiers)
        return await self.call.engine.shared.once(
            (*self._alike, identifiers, position), lambda: self._read(identifiers)
        )

    async def _read(self, identifiers: Iterable[str]) -> dict[str, Any]:
        table = self.selection.readable.table
        named = table.c.id.in_([UUID(identifier) for identifier in identifiers])
        rows = await self._fetch(select(*self.selection.columns(["id"])).where(and_(named, self._inside)))
        messages = await self.selection.messages(self.call, rows)
        return {str(row["id"]): message for row, message in zip(rows, messages, strict=True)}

    async def _could_see(self, changes: Sequence[Change]) -> set[str]:
        """Returns those of which the watcher may hear that they are gone: it was shown them, or could see them."""
        shown = {c.id for c in changes if self._known.get(c.id)}
        return shown | await self._seen(self.spec, [image for c in changes if c.id not in shown for image in c.images])

    async def _seen(self, spec: ResourceSpec, images: Sequence[Mapping[str, Any]]) -> set[str]:
        """Returns the resources whose rows, as events tell that they were, the watcher's policies let pass.

        Nothing passes where a policy asks for what events leave out.
        """
        if not images or not deciding_fields(spec) <= _imaged(spec):
            return set()
        rule = rule_of(spec, "Get").for_act(self.call.context)
        said = [(image, rule.holds(self.call.actor, _row(spec, image))) for image in images]
        seen = {str(image["id"]) for image, verdict in said if verdict}
        # What hangs on other rows only the database can say, and they are as they are now.
        left = [image for image, verdict in said if verdict is None and image["id"] not in seen]
        return seen | (await self._seen_in_sql(spec, left) if left else set())

    async def _seen_in_sql(self, spec: ResourceSpec, images: Sequence[Mapping[str, Any]]) -> set[str]:
        was = table_of(spec).alias("was")
        sql, params = compiled(select(was.c.id).where(visible(spec, self.call.context, "Get", was)))
        told = f"FROM jsonb_populate_recordset(NULL::{spec.collection}, %(images)s) AS was"
        kept = [{name: value for name, value in image.items() if name in _imaged(spec)} for image in images]
        rows = await self.call.reads().fetch(
            sql.replace(f"FROM {spec.collection} AS was", told), params | {"images": Jsonb(kept)}
        )
        return {str(row["id"]) for row in rows}

    async def _refuse_if_parents_moved(self, changes: Sequence[Change]) -> None:
        """What can be seen through its parent comes and goes with it, by the thousand and without events of its own."""
        if self._settled:
            return
        for change in changes:
            parent = self._parents.get(change.resource_type)
            if parent is None or change.what == "created" or not change.paths & deciding_fields(parent):
                continue
            if await self._seen(parent, change.images[:1]) != await self._seen(parent, change.images[-1:]):
                raise ViewChanged

    async def _fetch(self, statement: Any) -> list[dict[str, Any]]:
        return await self.call.reads().fetch(*compiled(statement))

    def _item(self, change: Change, shown: Any) -> Item:
        item = Item(resource_id=change.id, sequence=change.sequence)
        if shown is None:
            item.type = Item.TYPE_REMOVED
            return item
        item.type = _TYPES.get(change.what, Item.TYPE_UPDATED)
        item.resource.Pack(shown)
        if item.type != Item.TYPE_CREATED:
            guard = self.selection.readable.guard
            item.changed_paths.extend(sorted(change.paths - {*guard.hidden, *guard.dependent}))
        return item

    def _note(self, identifier: str, inside: bool) -> None:
        self._known[identifier] = inside
        self._known.move_to_end(identifier)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _asked(request: WatchRequest) -> bytes:
    """Returns what bounds a view, wherever its watcher begins."""
    alike = WatchRequest(filter=request.filter, read_mask=request.read_mask, show_archived=request.show_archived)
    return alike.SerializeToString(deterministic=True)


def _imaged(spec: ResourceSpec) -> set[str]:
    told = {name for name, field in spec.fields.items() if field.kind in _IMAGED and not field.sensitive}
    return {"organization_id", *told} - set(field_rules(spec).reads)


def _row(spec: ResourceSpec, image: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an image as a row holds it."""
    ids = {"organization_id", *(name for name, field in spec.fields.items() if field.kind is Kind.UUID)}
    return {name: UUID(value) if name in ids and value else value for name, value in image.items()}


def _parents(call: Call, spec: ResourceSpec) -> set[ResourceSpec]:
    """Returns the resources that a resource hangs on, directly or through others."""
    by_table = {s.collection: s for s in call.engine.registry.specs.values()}
    found: set[ResourceSpec] = set()
    pending = [spec]
    while pending:
        for target in pending.pop().storage.references.values():
            parent = by_table[target]
            if parent not in found and parent is not spec:
                found.add(parent)
                pending.append(parent)
    return found
