"""A run in a worker's hands: begun, rested and ended under its lease, which every write holds on to."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from ashgrove.optimizer.v1 import run_event_pb2
from google.protobuf.message import Message
from psycopg.types.json import Jsonb

from framework.call import Context, service_actor
from framework.engine import Call
from framework.errors import WriteConflict
from framework.failpoints import Failpoint
from framework.plain import plain
from framework.rpc.assembly import Parts
from framework.storage import Leases, Transaction, from_now, increment
from services.optimizer.application import SERVICE
from services.optimizer.pausing import paused
from services.optimizer.resources import ENDED, OptimizationRun
from services.optimizer.spending import seconds_of
from services.optimizer.story import Fenced, latest, tell, topic, warned

_Event = run_event_pb2.RunEvent
LEASE_SECONDS = 8.0
WAIT_SECONDS, LONGEST_WAIT_SECONDS = 10.0, 300.0
"""How long a run rests at first when no model answers, and at most."""
_TOLD_GOING = ("TYPE_RUN_RESUMED", "TYPE_RUN_EXTENDED", "TYPE_RUN_RETRIED")
"""What is told by whoever lets a run go on, so that the worker need not."""
ENDED_ALONE = Failpoint("run.ended", "a run has ended, and neither its grant nor what is still evaluated for it")
_NO_DEADLINE = float("inf")


class Written(NamedTuple):
    """What a transaction has in hand that has written a trial."""

    call: Call
    tx: Transaction
    run: dict[str, Any]
    """The run's row as it is, locked."""
    trial: dict[str, Any]


class HeldRun:
    """Writes a run's state under its lease; a late worker's write raises Fenced and changes nothing."""

    def __init__(self, parts: Parts, leases: Leases, row: dict[str, Any], lease_seconds: float = LEASE_SECONDS) -> None:
        self.parts = parts
        self.leases = leases
        self.row = row
        self.lease_seconds = lease_seconds
        self.id = str(row["id"])
        self.warned: set[str] = set()
        """The limits of which it is told that they are nearly reached."""
        self._ids = {"organization": row["organization_id"], "run": row["id"]}
        actor = service_actor(SERVICE, row["organization_id"])
        self.context = Context(actor, "RunOptimization", f"run-{self.id}", _NO_DEADLINE)

    @asynccontextmanager
    async def fenced(self) -> AsyncIterator[tuple[Call, Transaction]]:
        """Opens a transaction that holds the run's row, and hints at the change once it is committed."""
        call = self.parts.engine.call(self.context)
        async with call.transaction() as tx:
            if not await self.leases.extend(tx, self.row, self.lease_seconds):
                raise Fenced
            yield call, tx
        self.parts.hints.soon(topic(self.id))

    @asynccontextmanager
    async def written(self, sql: str, params: dict[str, Any]) -> AsyncIterator[Written]:
        """Does the same, for a trial: what writes it leaves together with what holds the run's row.

        Where the lease is lost nothing stays of it.
        """
        call = self.parts.engine.call(self.context)
        async with call.transaction() as tx:
            holding = await self.leases.ask(tx, self.row, self.lease_seconds)
            writing = await tx.leave(sql, self._ids | params)
            held = await tx.answer(holding)
            if not held:
                raise Fenced
            rows = await tx.answer(writing)
            if not rows:
                raise WriteConflict("the trial has ended already")
            yield Written(call, tx, held[0], rows[0])
        self.parts.hints.later(topic(self.id))  # with that of the trial that follows: one hint for both

    async def start(self) -> None:
        """Notes that a worker has the run: the first, or one that took over; raises Fenced when it was cancelled."""
        first = self.row["started_at"] is None
        async with self.fenced() as (call, tx):
            # The row is locked now; between the claim and here it may have been cancelled, or paused by hand.
            row = await call.row(OptimizationRun, self.id)
            if row["status"] in ENDED or (row["status"] == "STATUS_PAUSED" and row["resumes_at"] is None):
                raise Fenced
            if row["status"] == "STATUS_PAUSED":
                await call.update(OptimizationRun, self.id, {"error": "", "resumes_at": None}, move="wake")
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_RESUMED))
            elif first:
                now = await _now(tx)
                await call.update(OptimizationRun, self.id, {"started_at": now}, move="start")
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_STARTED))
                return
            self.warned = await warned(tx, self.row)
            if await latest(tx, self.row) not in _TOLD_GOING:
                await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_TAKEN_OVER))

    async def say(self, kind: _Event.Type.ValueType) -> None:
        """Tells that something begins that is about no trial."""
        async with self.fenced() as (_, tx):
            await tell(tx, self.row, _Event(type=kind))

    async def status(self) -> str:
        """Returns the run's status as it is now; raises Fenced when it is this worker's no more."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            row = await tx.fetch_one("SELECT status, fencing_token FROM optimization_runs WHERE id = %(id)s", self.row)
        if row is None or row["fencing_token"] != self.row["fencing_token"]:
            raise Fenced
        return str(row["status"])

    async def is_paused(self) -> bool:
        """Tells whether the run is paused now, whoever had it."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            row = await tx.fetch_one("SELECT status FROM optimization_runs WHERE id = %(id)s", self.row)
        return row is not None and row["status"] == "STATUS_PAUSED"

    async def trials(self, status: str = "") -> list[dict[str, Any]]:
        """Returns the run's trials by number, those of one status when one is named."""
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            return await tx.fetch(
                """SELECT * FROM trials WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s
                   AND (%(status)s = '' OR status = %(status)s) ORDER BY number""",
                {"organization": self.row["organization_id"], "run": self.row["id"], "status": status},
            )

    async def seconds_left(self) -> float:
        """Returns how long the run may go on, by the database's clock; infinite without such a limit."""
        most = int((self.row["limits"] or {}).get("seconds", 0))
        if not most:
            return float("inf")
        async with self.parts.database.tenant(self.row["organization_id"]) as tx:
            return most - await seconds_of(tx, self.row)

    async def complete(self, reason: str, **found: Message | None) -> None:
        """Ends the run as completed, and keeps what was found behind its trials, by column."""
        kept = {name: Jsonb(plain(each)) for name, each in found.items() if each is not None}
        await self._end("STATUS_COMPLETED", end_reason=reason, **kept)

    async def fail(self, error: str, error_class: str = "ERROR_CLASS_UNSPECIFIED") -> None:
        """Ends the run as failed."""
        await self._end("STATUS_FAILED", error=error, error_class=error_class)

    async def cancel(self) -> None:
        """Ends the run as cancelled."""
        await self._end("STATUS_CANCELLED")

    async def _end(self, status: str, **columns: Any) -> None:
        async with self.fenced() as (call, tx):
            if (await call.row(OptimizationRun, self.id))["status"] == "STATUS_CANCELLING":
                status, columns = "STATUS_CANCELLED", {}  # the row is locked: the wish came before the end
            await self._ended(call, tx, status, columns)
        ENDED_ALONE()

    async def _ended(self, call: Call, tx: Transaction, status: str, columns: Mapping[str, Any]) -> None:
        now = await _now(tx)
        await tx.execute(
            """UPDATE trials SET status = 'STATUS_CANCELLED', completed_at = %(now)s
               WHERE optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'""",
            {"id": self.row["id"], "now": now},
        )
        ended = {"status": status, "error": "", "completed_at": now, **columns}
        await call.update(OptimizationRun, self.id, ended, move="end")
        await tell(tx, self.row, _Event(type=_Event.TYPE_RUN_ENDED, error=ended["error"]))

    async def wait(self, cause: str) -> None:
        """Pauses the run until a model may answer again: ever longer, as long as nothing has come of it."""
        async with self.fenced() as (call, tx):
            row = await call.row(OptimizationRun, self.id)
            seconds = min(WAIT_SECONDS * 2 ** min(row["waits"], 10), LONGEST_WAIT_SECONDS)
            if row["status"] == "STATUS_CANCELLING":
                await self._ended(call, tx, "STATUS_CANCELLED", {})
                return
            await paused(call, tx, row, cause, {"resumes_at": from_now(seconds), "waits": increment()})

    async def pause(self, cause: str) -> None:
        """Stops the run because it may no longer act for its user; its results stay, and whoever resumes it goes on."""
        async with self.fenced() as (call, tx):
            row = await call.row(OptimizationRun, self.id)
            if row["status"] == "STATUS_CANCELLING":
                await self._ended(call, tx, "STATUS_CANCELLED", {})
            else:
                await paused(call, tx, row, cause)


async def _now(tx: Transaction) -> Any:
    row = await tx.fetch_one("SELECT now() AS now")
    assert row is not None
    return row["now"]
