"""The books: what was reserved and what it came to, written in batches, so that many calls share a commit."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database, Transaction
from services.program.connectors.endpoint import Endpoint

OPENED = Failpoint("call.opened", "calls of models are reserved in the books, and not sent")
CLOSED = Failpoint("call.closed", "calls of models are settled in the books, and their limits still held")
_log = logging.getLogger(__name__)
_BATCH = 500
_OPEN = """
INSERT INTO model_calls (organization_id, id, connector_id, connector, model, purpose, work_id, owner_id, status,
    reserved_nanos, waited_ms, worker, expected, lender_id)
SELECT organization_id, id, connector_id, connector, model, purpose, work_id, owner_id, 'STATUS_RESERVED',
    reserved_nanos, waited_ms, worker, expected, lender_id
FROM jsonb_populate_recordset(NULL::model_calls, %(rows)s)
"""
_UNLESS_THERE = "ON CONFLICT DO NOTHING"
_CLOSE = """
UPDATE model_calls c SET status = r.status, input_tokens = r.input_tokens, cached_input_tokens = r.cached_input_tokens,
    output_tokens = r.output_tokens, cost_nanos = r.cost_nanos, estimated = r.estimated, error_class = r.error_class,
    latency_ms = r.latency_ms, settled_at = clock_timestamp(), expected = NULL
FROM jsonb_populate_recordset(NULL::model_calls, %(rows)s) r
WHERE c.organization_id = r.organization_id AND c.id = r.id AND c.status = 'STATUS_RESERVED'
RETURNING c.organization_id, c.id
"""
COUNTS = (
    "requests",
    "failed_requests",
    "estimated_requests",
    "unpriced_requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_nanos",
    "counted_bytes",
    "counted_tokens",
)
_COUNT = f"""
INSERT INTO connector_usage AS u (connector_id, organization_id, month, model, {", ".join(COUNTS)})
SELECT connector_id, organization_id, month, model, {", ".join(COUNTS)}
FROM jsonb_populate_recordset(NULL::connector_usage, %(rows)s) ORDER BY connector_id, organization_id, month, model
ON CONFLICT (connector_id, organization_id, month, model) DO UPDATE
SET {", ".join(f"{name} = u.{name} + excluded.{name}" for name in COUNTS)}
"""
_SPEND = "UPDATE model_allotments SET amount = amount - %(amount)s WHERE id = %(id)s"
_OVERSPEND = """
UPDATE model_allowances SET drawn = drawn + %(amount)s
WHERE connector_id = %(connector)s AND organization_id = %(organization)s AND unit = 'money'
  AND window_start = %(window)s
"""


@dataclass(frozen=True)
class Paid:
    """Which allotment of money a call was paid from."""

    allotment: UUID
    connector_id: UUID
    organization_id: UUID
    window: datetime


@dataclass
class Entry:
    """One call in the books: first what is set aside for it, then what it came to."""

    endpoint: Endpoint
    organization_id: UUID
    work_id: UUID | None
    owner_id: UUID | None
    purpose: str
    expected_input: int
    expected_output: int
    reserved_nanos: int | None
    request_bytes: int
    waited_ms: float = 0.0
    id: UUID = field(default_factory=new_id)
    month: str = ""
    status: str = "STATUS_RESERVED"
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int | None = None
    estimated: bool = False
    error_class: str = ""
    latency_ms: float = 0.0
    paid: list[Paid] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Dates it: a call is of the month in which it began."""
        self.month = self.month or datetime.now(UTC).strftime("%Y-%m-01")

    def estimate(self) -> None:
        """Settles it at what was set aside: nobody knows what it took."""
        self.input_tokens, self.output_tokens = self.expected_input, self.expected_output
        self.status, self.cost_nanos, self.estimated = "STATUS_SETTLED", self.reserved_nanos, True

    def opening(self, worker: str) -> dict[str, Any]:
        """Returns its row as it begins."""
        endpoint = self.endpoint
        return {
            "organization_id": str(self.organization_id),
            "id": str(self.id),
            "connector_id": str(endpoint.id),
            "connector": endpoint.name,
            "model": endpoint.model,
            "purpose": f"PURPOSE_{self.purpose}",
            "work_id": self.work_id and str(self.work_id),
            "owner_id": self.owner_id and str(self.owner_id),
            "reserved_nanos": self.reserved_nanos,
            "waited_ms": self.waited_ms,
            "worker": worker,
            "expected": {"input": self.expected_input, "output": self.expected_output, "month": self.month},
            "lender_id": str(endpoint.lender_id),
        }

    def closing(self) -> dict[str, Any]:
        """Returns the columns of how it ended."""
        names = ("status", "input_tokens", "cached_input_tokens", "output_tokens", "cost_nanos", "estimated")
        told = {name: getattr(self, name) for name in (*names, "error_class", "latency_ms")}
        return {"organization_id": str(self.organization_id), "id": str(self.id), **told}

    def counts(self) -> dict[str, int]:
        """Returns what it adds to the totals."""
        settled = self.status == "STATUS_SETTLED"
        counted = settled and not self.estimated
        return {
            "requests": int(settled),
            "failed_requests": int(not settled),
            "estimated_requests": int(self.estimated),
            "unpriced_requests": int(settled and self.cost_nanos is None),
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "output_tokens": self.output_tokens,
            "cost_nanos": self.cost_nanos or 0,
            "counted_bytes": self.request_bytes if counted else 0,
            "counted_tokens": self.input_tokens if counted else 0,
        }


_Opening = tuple[Entry, "asyncio.Future[None]"]


class Books:
    """Writes entries: an opening is durable before its call begins, a closing soon after it ended."""

    def __init__(self, database: Database, worker: str) -> None:
        self.worker = worker
        self._database = database
        self._openings: list[_Opening] = []
        self._closings: list[Entry] = []
        self._wake = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._task: asyncio.Task[None] | None = None

    async def open(self, entry: Entry) -> None:
        """Returns when the reservation is written."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._openings.append((entry, done))
        self._start()
        await done

    def close(self, entry: Entry) -> None:
        """Has the settlement written with the next batch."""
        self._closings.append(entry)
        self._start()

    async def written(self) -> None:
        """Returns when everything is in the books."""
        await self._written.wait()

    def _start(self) -> None:
        self._written.clear()
        self._wake.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._openings or self._closings:
            opened, self._openings = self._openings[:_BATCH], self._openings[_BATCH:]
            closed, self._closings = self._closings[:_BATCH], self._closings[_BATCH:]
            try:
                await self._batch([entry for entry, done in opened if not done.cancelled()], closed)
            except Failure as failure:
                self._closings = closed + self._closings
                _refuse(opened, failure)
                _log.warning("the books of model calls: %s; trying again", failure)
                await asyncio.sleep(0.5)
                continue
            except Exception:  # the database does not take one of them, and does not say which
                await self._apart(opened, closed)
            for _, done in opened:
                if not done.done():
                    done.set_result(None)
        self._written.set()

    async def _apart(self, opened: Sequence[_Opening], closed: Sequence[Entry]) -> None:
        """Writes entries one by one: what cannot be written keeps nobody else's out of the books."""
        for entry, done in opened:
            try:
                await self._batch([entry], [])
            except Exception as fault:
                _refuse([(entry, done)], fault)
        for entry in closed:
            try:
                await self._batch([], [entry])
            except Failure:
                self._closings.append(entry)
            except Exception:
                _log.exception("how call %s ended cannot be written: it stands at what was set aside", entry.id)

    async def _batch(self, opened: Sequence[Entry], closed: Sequence[Entry]) -> None:
        async with self._database.system() as tx:
            if opened and not closed:
                # A crash of this process loses nothing so; what one of the database loses is written with its end.
                await tx.send("SET LOCAL synchronous_commit = off")
            if opened:
                await tx.execute(_OPEN, {"rows": Jsonb([entry.opening(self.worker) for entry in opened])})
            if closed:
                await settle(tx, closed, self.worker)
        if opened:
            OPENED()
        if closed:
            CLOSED()


def _refuse(opened: Iterable[_Opening], fault: Exception) -> None:
    for _, done in opened:
        if not done.done():
            done.set_exception(fault)


async def settle(tx: Transaction, entries: Sequence[Entry], worker: str) -> None:
    """Writes how calls ended, in the rows, the totals and the allotments; what was swept meanwhile stays as it is."""
    there = await _closed(tx, entries)
    # Only of what is paid for the row must be there: it has gone where the database died at once after it was opened.
    if missing := [entry for entry in entries if entry.id not in there and entry.status == "STATUS_SETTLED"]:
        await tx.execute(_OPEN + _UNLESS_THERE, {"rows": Jsonb([entry.opening(worker) for entry in missing])})
        there |= await _closed(tx, missing)
    entries = [entry for entry in entries if entry.id in there]
    await tx.execute(_COUNT, {"rows": Jsonb(_totals(entries))})
    for paid, amount in sorted(_spent(entries).items(), key=lambda item: _limit(item[0])):
        if not await tx.execute(_SPEND, {"id": paid.allotment, "amount": amount}):
            about = {"connector": paid.connector_id, "organization": paid.organization_id, "window": paid.window}
            await tx.execute(_OVERSPEND, about | {"amount": amount})


async def _closed(tx: Transaction, entries: Sequence[Entry]) -> set[UUID]:
    rows = await tx.fetch(_CLOSE, {"rows": Jsonb([entry.closing() for entry in entries])})
    return {row["id"] for row in rows}


def _limit(paid: Paid) -> tuple[str, ...]:
    """Returns what orders locks: limits before the allotments of them, as for whoever leaves."""
    return str(paid.connector_id), str(paid.organization_id), str(paid.window), str(paid.allotment)


def _totals(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    totals: dict[tuple[str, ...], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for entry in entries:
        key = (str(entry.endpoint.id), str(entry.organization_id), entry.month, entry.endpoint.model)
        for name, count in entry.counts().items():
            totals[key][name] += count
    names = ("connector_id", "organization_id", "month", "model")
    return [dict(zip(names, key, strict=True)) | counts for key, counts in totals.items()]


def _spent(entries: Iterable[Entry]) -> dict[Paid, int]:
    spent: dict[Paid, int] = defaultdict(int)
    for entry in entries:
        for paid in entry.paid:
            spent[paid] += entry.cost_nanos or 0
    return {paid: amount for paid, amount in spent.items() if amount}
