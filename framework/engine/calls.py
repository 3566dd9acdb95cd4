"""The call as an action sees it: reads and writes of resources under the caller's own policies."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import and_, select

from framework.call import Actor, Context
from framework.engine import acting, batching, creating, purging, reading
from framework.engine.including import Edge
from framework.engine.selecting import EVERYTHING, Selection
from framework.query import order_from
from framework.resource import Resource, spec_of
from framework.storage import Database, Reads, Transaction, table_of
from framework.storage.rows import named
from framework.storage.tables import compiled

if TYPE_CHECKING:
    from framework.engine.dispatch import Engine

M = TypeVar("M", bound=Message)
F = TypeVar("F")
Follow = Callable[[], Awaitable[Any]]
# No single transaction lasts longer, even on a stream that lasts for days.
LONGEST_SECONDS = 30.0


class Call:
    """One call: its context, the service's own things, and the standard methods, each under the caller's policies.

    Inside `async with call.transaction()` all of them share one transaction; outside, each has its own.
    """

    def __init__(self, engine: "Engine", context: Context) -> None:
        self.engine = engine
        self.context = context
        self.rehearsing = False
        """Whether all is undone in the end: what a peer was asked to do is then the action's to undo."""
        self._open: Transaction | None = None
        self._following: list[Follow] = []
        self._found: dict[Any, Any] = {}

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

    @property
    def seconds(self) -> float:
        """How long a transaction of this call may last; raises DeadlinePassed when its time is over."""
        return min(self.context.remaining(), LONGEST_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Opens the call's transaction, or joins the one that is open."""
        if self._open is not None:
            yield self._open
            return
        organization = self.actor.organization_id
        async with self.database.tenant(organization, self.seconds) as tx:
            self._open = tx
            following = self._following = []
            try:
                yield tx
            finally:
                self._open = None
        for follow in following:
            await follow()

    @property
    def alone(self) -> bool:
        """Whether no transaction is open: what is written is committed by itself."""
        return self._open is None

    @asynccontextmanager
    async def within(self, tx: Transaction) -> AsyncIterator[None]:
        """Has the call share a transaction that somebody else opened for its organization, and will commit.

        What is to follow is not done by it: see `followed`.
        """
        self._open, self._following = tx, []
        try:
            yield
        finally:
            self._open = None

    async def followed(self) -> None:
        """Does what was to follow the transaction that the call shared, which is committed."""
        for follow in self._following:
            await follow()

    async def follow(self, act: Follow) -> None:
        """Does something once the open transaction is committed, at once where none is open, and not when it is undone.

        It is for what cannot be undone, and must bear to be missed when the process ends in between.
        """
        if self._open is None:
            await act()
        else:
            self._following.append(act)

    async def remembered(self, key: Any, find: Callable[[], Awaitable[F]]) -> F:
        """Returns what was found for a key earlier in this call, or finds it: what the rows of a batch share."""
        if key not in self._found:
            self._found[key] = await find()
        found: F = self._found[key]
        return found

    def reads(self) -> Reads | Transaction:
        """Returns what queries go through: the call's open transaction, or single reads."""
        if self._open is not None:
            return self._open
        return self.database.reads(self.actor.organization_id, self.seconds)

    async def row(
        self, resource: type[Resource[M]], identifier: str, verb: str = "Get", *, lock: bool = False
    ) -> dict[str, Any]:
        """Returns a row with its hidden columns, once nothing stands between the caller and this verb.

        Raises NotFound when it is hidden or missing, NotPermitted when it is only seen, IllegalState in another state.
        """
        spec = spec_of(resource)
        if lock:
            async with self.transaction() as tx:
                row = await reading.load(tx, spec, self.context, identifier, verb, lock=True)
        else:
            row = await reading.load(self.reads(), spec, self.context, identifier, verb)
        acting.check_state(self.engine.registry, spec, row, verb)
        return row

    async def ask_row(
        self, resource: type[Resource[M]], identifier: str, verb: str
    ) -> Callable[[], Awaitable[dict[str, Any]]]:
        """Leaves the question for a row, locked, with what is sent next; what it returns takes the answer as `row`."""
        spec, tx = spec_of(resource), self._open
        assert tx is not None, "what is left travels with something"
        answer = await reading.ask(tx, spec, self.context, identifier, verb)

        async def row() -> dict[str, Any]:
            found = await answer()
            acting.check_state(self.engine.registry, spec, found, verb)
            return found

        return row

    async def get(
        self,
        resource: type[Resource[M]],
        identifier: str,
        *,
        revision: int = 0,
        verb: str = "Get",
        mask: FieldMask | None = None,
        edges: Sequence[Edge] = (),
    ) -> M:
        """Returns a resource, at an earlier content revision when one is named; what no mask names is not fetched."""
        spec = spec_of(resource)
        reads = self.reads()
        selection = Selection(spec, self.context, mask or EVERYTHING, edges)
        fetched = selection.fetched._replace(stored=None) if revision else selection.fetched
        row = await reading.load(reads, spec, self.context, identifier, verb, fetched=fetched)
        acting.check_state(self.engine.registry, spec, row, verb)
        # What follows from the current content is there already: most of those who name a revision name that one.
        earlier = bool(revision) and revision != row["revision"]
        if earlier:
            row = await reading.revision_of(reads, spec, self.context, row, revision)
        message: M
        (message,) = await selection.messages(self, [row], resource().derive if earlier else None)
        return message

    async def create(
        self,
        resource: type[Resource[M]],
        message: M,
        *,
        hidden: Mapping[str, Any] | None = None,
        identifier: str = "",
        prefix: str = "",
        unread: bool = False,
    ) -> M:
        """Creates a resource from a message, OUTPUT_ONLY fields ignored; `prefix` leads the paths of violations.

        One that is left `unread` costs no round trip beside the commit's, and what is returned lacks its times.
        """
        spec = spec_of(resource)
        created: M = await creating.create(self, spec, message, hidden or {}, identifier, prefix, unread=unread)
        return created

    async def create_many(
        self, resource: type[Resource[M]], messages: Sequence[M], *, judged: bool = False
    ) -> Sequence[M]:
        """Creates resources from messages, all or none, in few statements; violations say which message is meant.

        Messages that a validated request held are `judged`: their bounds are not looked at again.
        """
        created: Sequence[M] = await batching.create_many(self, spec_of(resource), messages, judged=judged)
        return created

    async def replace(self, resource: type[Resource[M]], message: Any, mask: Any, prefix: str = "") -> M:
        """Updates the fields that a mask names, with etag, field behaviour and bounds of the whole respected.

        An update that changes nothing writes nothing and is not told.
        """
        written: M = await acting.replace(self, spec_of(resource), message, mask, prefix)
        return written

    async def update(
        self,
        resource: type[Resource[M]],
        identifier: str,
        columns: Mapping[str, Any],
        *,
        verb: str = "Update",
        move: str = "",
        etag: str = "",
    ) -> M:
        """Writes columns, hidden ones too, free of the bounds for clients; enum numbers and names both fit.

        Values may be expressions over the old ones, such as `increment(1)`: the database computes them in the UPDATE,
        so that no other writer's change is lost. `move` names the internal move of the state machine that this is, for
        whoever the policies let do `verb`; where one leads to a single state, that one is written by itself.
        """
        spec = spec_of(resource)

        async def given(row: Mapping[str, Any]) -> Mapping[str, Any]:
            return named(spec, columns)

        written: M = await acting.act(self, spec, identifier, verb, given, move=move, etag=etag)
        return written

    async def settle(
        self,
        resource: type[Resource[M]],
        row: Mapping[str, Any],
        columns: Mapping[str, Any],
        *,
        verb: str = "Update",
        move: str,
        fence: Sequence[str],
    ) -> M:
        """Writes columns over a row that the caller claimed and holds, as `update` would, in one statement.

        The columns of the `fence`, such as a fencing token, must be as they are in the row: raises WriteConflict when
        they are not, or when the row is in no state from which the move leads. For services alone.
        """
        spec = spec_of(resource)
        told = named(spec, columns)
        written: M = await acting.settle(self, spec, row, told, verb, move=move, fence=fence)
        return written

    async def archive(self, resource: type[Resource[M]], identifier: str, etag: str = "") -> M:
        """Puts a resource away; an archived one is returned as it is."""
        archived: M = await acting.archive(self, spec_of(resource), identifier, etag)
        return archived

    async def unarchive(self, resource: type[Resource[M]], identifier: str, etag: str = "") -> M:
        """Takes an archived resource into use again; one in use is returned as it is.

        Raises AlreadyExists, naming the fields, when its unique values have been taken meanwhile.
        """
        unarchived: M = await acting.unarchive(self, spec_of(resource), identifier, etag)
        return unarchived

    async def purge(self, resource: type[Resource[M]], identifier: str, etag: str = "") -> None:
        """Deletes an archived resource for good, with its revisions and what is declared a part of it.

        Raises IllegalState when it is in use, and when something still refers to it.
        """
        await purging.purge(self, spec_of(resource), identifier, etag)

    async def list(
        self,
        resource: type[Resource[M]],
        equal: Mapping[str, Any],
        *,
        limit: int = 1000,
        order_by: str = "",
    ) -> Sequence[M]:
        """Returns the resources that the caller may list whose columns have these values."""
        spec, selection = spec_of(resource), Selection(spec_of(resource), self.context)
        table, order = table_of(spec), order_from(order_by, selection.readable)
        clauses = [
            reading.scope(spec, self.context, "List"),
            *(table.c[n] == v for n, v in named(spec, equal).items()),
        ]
        query = select(*selection.columns()).where(and_(*clauses)).order_by(*order.terms(selection.readable))
        async with self.transaction() as tx:
            rows = await tx.fetch(*compiled(query.limit(limit)))
        return [selection.message(row) for row in rows]
