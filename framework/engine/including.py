"""What a read includes: each relationship is one statement for all rows, and each row has a page of its own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql

from framework.call import Context
from framework.engine.readable import in_use, reachable
from framework.engine.selecting import Selection
from framework.errors import FieldViolation, InvalidFields, InvalidPageToken
from framework.query import filter_clause, order_from
from framework.query.includes import Asked, asked_from
from framework.query.page import bound_to
from framework.resource import ResourceSpec
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.calls import Call

_IDS = postgresql.ARRAY(postgresql.UUID(as_uuid=True))
Rows = Sequence[Mapping[str, Any]]
Pages = Mapping[Any, Rows]


def edges_of(spec: ResourceSpec, context: Context, request: Any, *, alone: bool) -> list["Edge"]:
    """Returns what a request includes; raises InvalidFields naming place and position.

    Page tokens belong to one row, so that only a read of one row, `alone`, takes them.
    """
    archived = bool(getattr(request, "show_archived", False))
    asked = asked_from(getattr(request, "include", ()), [*spec.relationships])
    for one in asked:
        if one.page_token and not alone:
            raise one.refused(f"a page_token belongs to one {spec.singular}: go on with Get{spec.noun}")
    return [Edge(spec, context, one, archived=archived) for one in asked]


class Edge:
    """One relationship of the rows of a read, and a page for each of them."""

    def __init__(self, spec: ResourceSpec, context: Context, asked: Asked, *, archived: bool) -> None:
        relationship = spec.relationships[asked.name]
        self.spec = spec
        self.context = context
        self.asked = asked
        self.archived = archived
        self.key, self.behind = relationship.ends
        self.selection = Selection(relationship.target, context)
        try:
            self.filter = filter_clause(asked.filter, self.selection.readable)
            self.order = order_from(asked.order_by, self.selection.readable)
        except InvalidFields as refused:
            told = (FieldViolation(asked.at, f"in {v.path}, {v.message}") for v in refused.violations)
            raise InvalidFields(*told) from None

    async def fill(self, call: "Call", rows: Rows, messages: Sequence[Any]) -> None:
        """Includes a page in each message, made of the rows that belong to its row, with the token of the next."""
        pages = await self._pages(call, [row[self.key] for row in rows if row.get(self.key)])
        made = await self._made(call, pages)
        for row, message in zip(rows, messages, strict=True):
            included = message.included.add(relationship=self.asked.name)
            for one in made.get(row.get(self.key), []):
                included.resources.add().Pack(one)
            page = pages.get(row.get(self.key), [])
            if len(page) > self.asked.page_size:
                last = self.order.position(page[self.asked.page_size - 1])
                included.next_page_token = call.engine.seal.seal(last, self._binding(row[self.key]))

    async def _made(self, call: "Call", pages: Pages) -> Mapping[Any, list[Any]]:
        shown = {key: page[: self.asked.page_size] for key, page in pages.items()}
        made = iter(await self.selection.messages(call, [row for page in shown.values() for row in page]))
        return {key: [next(made) for _ in page] for key, page in shown.items()}

    async def _pages(self, call: "Call", keys: Sequence[UUID]) -> Pages:
        pages: dict[UUID, list[Mapping[str, Any]]] = defaultdict(list)
        if keys:
            after = self._after(call, keys)
            for row in await call.reads().fetch(*self.statement(keys, after)):
                pages[row["belongs_to_"]].append(row)
        return pages

    def _after(self, call: "Call", keys: Sequence[UUID]) -> Sequence[Any] | None:
        if not self.asked.page_token:
            return None
        try:
            return call.engine.seal.open(self.asked.page_token, self._binding(keys[0]))
        except InvalidPageToken:
            raise InvalidPageToken(self.asked.at) from None

    def statement(self, keys: Sequence[UUID], after: Sequence[Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Returns the SQL for one row more than a page for each key, each page in its order."""
        readable = self.selection.readable
        given = func.unnest(bindparam("keys_", list(dict.fromkeys(keys)), type_=_IDS)).column_valued("belongs_to_")
        terms = self.order.terms(readable)
        place = func.row_number().over(order_by=terms).label("place_")
        columns = [*self.selection.columns(self.order.fields), *self.order.told(readable), place]
        belonging = [readable[self.behind] == given, *self._clauses()]
        if after is not None:
            belonging.append(self.order.after(readable, after))
        page = select(*columns).where(and_(*belonging)).order_by(*terms).limit(self.asked.page_size + 1).lateral("page")
        return compiled(select(given, *page.c).order_by(page.c.place_))

    def _clauses(self) -> list[ColumnElement[bool]]:
        """The rows that may be read and are as asked, archived ones only where the read itself shows them."""
        spec, table = self.selection.spec, self.selection.readable.table
        return [
            reachable(spec, self.context, table),
            self.filter,
            in_use(spec, table, archived=self.archived),
        ]

    def _binding(self, key: UUID) -> str:
        actor, asked = self.context.actor, self.asked
        bound = [
            self.spec.message.DESCRIPTOR.full_name,
            key,
            asked.name,
            asked.filter,
            self.order.keys,
            actor.organization_id,
            actor.id,
            self.archived,
        ]
        return bound_to(*bound)
