"""The way to PostgreSQL: pooled psycopg, one tenant and one deadline per transaction, a second role for the system."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
import psycopg
from ashgrove.event.v1.event_pb2 import Event
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb, set_json_loads

from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.plain import plain
from framework.storage import direct, pipelines
from framework.storage.failures import mapped
from framework.storage.pipelines import Connection
from framework.storage.pools import Pool, lent, pool
from framework.telemetry import CLIENT, span

RECORDED = Failpoint("write.recorded", "a write and its event stand in a transaction that is not committed")
COMMITTED = Failpoint("write.committed", "a write and its event are committed, the event is not numbered")

set_json_loads(orjson.loads)  # what is in jsonb has no NaN, and numbers that both read alike

_TOLD = {"db.system.name": "postgresql"}
Asked = psycopg.AsyncCursor[DictRow]
"""A statement that was sent, and whose rows were not taken yet."""


_SETTINGS = b"SELECT set_config('app.organization_id', $1, true), set_config('statement_timeout', $2, true)"
_LAZILY = b"SELECT set_config('synchronous_commit', 'off', true)"
_SETTINGS_LAZILY = _SETTINGS + b", set_config('synchronous_commit', 'off', true)"


def as_json(plain: Any) -> Jsonb:
    """Returns plain data, ids and times among it, as one JSON parameter; quicker for much data than the usual way."""
    return Jsonb(plain, dumps=orjson.dumps)


class Transaction:
    """One transaction: statements with %(name)s parameters, and the outbox."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.told = False
        """Whether events are recorded in it."""

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Returns every row as a dict."""
        return await self.answer(await self.leave(sql, params))

    async def fetch_one(self, sql: str, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Returns the first row, or None."""
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None

    async def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> int:
        """Returns how many rows were touched."""
        with mapped():
            cursor = await self.leave(sql, params)
            await pipelines.settle(self.connection)
            return int(cursor.rowcount)

    async def lazily(self) -> None:
        """Has the commit not wait for the disk: a crash of the database, and nothing else, may undo it within a second.

        What is committed later and does wait makes this durable, too.
        """
        pipelines.leave(self.connection, _LAZILY)

    async def send(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Sends a statement without waiting for it: the next one, or the commit, raises when this one failed."""
        with mapped():
            await self.connection.execute(sql, params)

    async def leave(self, sql: str, params: Mapping[str, Any] | None = None, *, tells: bool = False) -> Asked:
        """Has a statement travel with the next one, or with the commit, which raises when this one failed.

        Its rows may be taken with `answer`. One that `tells` leaves its event in the outbox by itself.
        """
        async with pipelines.held(self.connection):
            asked = await self.ask(sql, params)
        if tells:
            self._recorded()
        return asked

    async def require(self, sql: str, params: Mapping[str, Any]) -> None:
        """Leaves a question that must have an answer: without one whoever waits next, or the commit, is Unmet.

        Nobody waits for the answer, and nothing that is sent behind it is done without one.
        """
        # There is no logarithm of zero: an error that no other statement makes.
        await self.leave(f"SELECT ln(count(*)) AS met FROM ({sql}) AS required", params)

    async def ask(self, sql: str, params: Mapping[str, Any] | None = None) -> Asked:
        """Sends a statement without waiting, whose rows are to be taken with `answer`, before the commit."""
        with mapped():
            return await self.connection.execute(sql, params)

    async def answer(self, asked: Asked) -> list[dict[str, Any]]:
        """Returns the rows of a statement that was sent or left before; after the commit, too."""
        with mapped():
            if asked.pgresult is None:  # else all is here, and the connection may be somebody else's by now
                await pipelines.answered(self.connection)
            return await asked.fetchall()

    async def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Runs one statement for many rows in one round trip."""
        with mapped():
            async with self.connection.cursor() as cursor:
                await cursor.executemany(sql, rows)
            await pipelines.settle(self.connection)

    async def record(self, event: Event | Mapping[str, Any]) -> None:
        """Leaves an event, or the JSON data that it is, in the outbox: told if and only if this transaction commits."""
        data = {"id": str(new_id()), **(plain(event) if isinstance(event, Event) else event)}
        organization = UUID(data["organization_id"]) if data.get("organization_id") else None
        await self.leave(
            "INSERT INTO outbox (organization_id, event) VALUES (%(organization)s, %(event)s)",
            {"organization": organization, "event": as_json(data)},
        )
        self._recorded()

    async def record_many(self, organization_id: UUID | None, events: Sequence[Mapping[str, Any]]) -> None:
        """Leaves events of one organization, as JSON of the event message, in the outbox with one statement.

        It leaves with the next statement, or with the commit.
        """
        await self.leave(
            """INSERT INTO outbox (organization_id, event)
               SELECT %(organization)s, event FROM jsonb_array_elements(%(events)s) AS event""",
            {"organization": organization_id, "events": as_json(list(events))},
        )
        self._recorded()

    def _recorded(self) -> None:
        self.told = True
        RECORDED()


class Reads:
    """Single queries of one organization, each a transaction and a round trip by itself."""

    def __init__(self, pool: Pool, settings: tuple[str, str], deadline_seconds: float) -> None:
        self._pool = pool
        self._settings = _SETTINGS, [value.encode() for value in settings]
        self._deadline = deadline_seconds

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Returns every row as a dict."""
        with mapped(), span("read", _TOLD, kind=CLIENT, alone=False):
            async with lent(self._pool, self._deadline) as connection:
                return await direct.run(connection, sql, params, self._settings)

    async def fetch_one(self, sql: str, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Returns the first row, or None."""
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None


class Database:
    """A service's two pools: its own role behind the tenant wall, and `_system` for queue, outbox and projections."""

    def __init__(self, url: str, password: str, service: str, *, size: int = 8) -> None:
        self.service = service
        self._tenant = pool(url, service, password, service, size)
        self._system = pool(url, f"{service}_system", password, service, max(2, size // 2))
        self._listen = make_conninfo(url, user=f"{service}_system", password=password)
        # Without options: LISTEN needs no search path.

    async def open(self) -> None:
        """Opens both pools; raises when the database does not answer within ten seconds."""
        await self._tenant.open(wait=True, timeout=10)
        await self._system.open(wait=True, timeout=10)

    async def close(self) -> None:
        """Closes both pools."""
        await self._tenant.close()
        await self._system.close()

    @asynccontextmanager
    async def tenant(self, organization_id: UUID | None, deadline_seconds: float = 30.0) -> AsyncIterator[Transaction]:
        """Opens one transaction that sees one organization only; without one it sees no tenant row at all.

        Tenant, timeout and first query travel together; the settings end with the transaction.
        """
        settings = _told(organization_id, deadline_seconds)
        with mapped(), span("transaction", _TOLD, kind=CLIENT, alone=False):
            async with lent(self._tenant, deadline_seconds) as connection:
                tx = Transaction(connection)
                async with pipelines.transaction(connection):
                    pipelines.leave(connection, _SETTINGS, *settings)
                    yield tx
        if tx.told:
            COMMITTED()

    def reads(self, organization_id: UUID | None, deadline_seconds: float = 30.0) -> "Reads":
        """Returns what runs single queries as `tenant` would, each a transaction and a round trip of its own."""
        return Reads(self._tenant, _told(organization_id, deadline_seconds), deadline_seconds)

    async def write(
        self,
        organization_id: UUID,
        sql: str,
        params: Mapping[str, Any],
        deadline_seconds: float = 30.0,
        *,
        durable: bool = True,
    ) -> list[dict[str, Any]]:
        """Runs one statement that writes as `tenant` would, a transaction and a round trip by itself; returns its rows.

        It leaves its event in the outbox by itself. Unless it has to be `durable` it is committed as
        `Transaction.lazily` says.
        """
        settings = _told(organization_id, deadline_seconds)
        before = _SETTINGS if durable else _SETTINGS_LAZILY, [value.encode() for value in settings]
        with mapped(), span("transaction", _TOLD, kind=CLIENT, alone=False):
            async with lent(self._tenant, deadline_seconds) as connection:
                rows = await direct.run(connection, sql, params, before)
        COMMITTED()
        return rows

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Transaction]:
        """Opens one transaction as the `_system` role, which sees every organization of this service."""
        with mapped(), span("system transaction", _TOLD, kind=CLIENT, alone=False):
            async with lent(self._system) as connection, pipelines.transaction(connection):
                tx = Transaction(connection)
                yield tx
        if tx.told:
            COMMITTED()

    async def once(
        self, sql: str, params: Mapping[str, Any] | None = None, *, durable: bool = True
    ) -> list[dict[str, Any]]:
        """Runs one statement as the `_system` role, a transaction and a round trip by itself, and returns its rows.

        Unless it has to be `durable` it is committed as `Transaction.lazily` says.
        """
        with mapped(), span("system statement", _TOLD, kind=CLIENT, alone=False):
            async with lent(self._system) as connection:
                return await direct.run(connection, sql, params, *([] if durable else [(_LAZILY, [])]))

    async def ping(self) -> None:
        """Raises unless the database answers now."""
        async with self.system() as tx:
            await tx.fetch("SELECT 1")

    async def notify(self, tx: Transaction, channel: str, word: str = "") -> None:
        """Wakes the listeners of a channel with a word when the transaction commits."""
        await tx.send("SELECT pg_notify(%(channel)s, %(word)s)", {"channel": channel, "word": word})

    async def listen(self, channel: str, *, every: float = 2.0) -> AsyncIterator[str]:
        """Yields at once, then the word of each notification; and every `every` seconds no word, whatever breaks.

        However much is told: what nobody told of is looked for by those who hear no word.
        """
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(self._listen, autocommit=True)
            except psycopg.OperationalError:
                yield ""
                await asyncio.sleep(every)
                continue
            async with connection:
                async for word in self._notifications(connection, channel, every):
                    yield word

    async def _notifications(self, connection: Any, channel: str, every: float) -> AsyncIterator[str]:
        try:
            await connection.execute(f'LISTEN "{channel}"')
            while True:
                yield ""
                due = time.monotonic() + every
                while (left := due - time.monotonic()) > 0:
                    for word in [note.payload async for note in connection.notifies(timeout=left, stop_after=1)]:
                        yield word
        except psycopg.OperationalError:
            return


def _told(organization_id: UUID | None, deadline_seconds: float) -> tuple[str, str]:
    """Returns the tenant and the milliseconds that a statement may take, as `_SETTINGS` wants them."""
    return str(organization_id or ""), str(max(1, int(deadline_seconds * 1000)))
