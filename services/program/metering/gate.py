"""Every call through a connector passes here: reserve, wait for one's turn, call, settle, record."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain import pricing
from domain.pricing import Price, Usage, price_at
from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database
from framework.tasks import stopped
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import BudgetSpent, ModelFault, ModelUnavailable
from services.program.metering import keeping
from services.program.metering.books import Books, Entry
from services.program.metering.calibration import Calibration
from services.program.metering.lane import Lane
from services.program.metering.work import Charge, Work, current_purpose

Ask = Callable[[], Awaitable[Answer]]
CLOSE_SECONDS = 5.0
ANSWERED = Failpoint("call.answered", "a model has answered, and the books do not know")


class Gate:
    """The gate of one worker process: the limits of all connectors, and the books of all calls."""

    def __init__(self, database: Database, worker: str = "") -> None:
        self.worker = worker or str(new_id())
        self.books = Books(database, self.worker)
        self._database = database
        self._lanes: dict[UUID, Lane] = {}
        self._calibration = Calibration(database)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Takes the lease under which this worker reserves, and keeps it from now on."""
        with suppress(Failure):  # a database that is away for a moment is asked again by what follows
            await keeping.renew(self._database, self.worker)
        self._tasks = [
            asyncio.create_task(keeping.keep(self._database, self.worker, self._forget)),
            asyncio.create_task(self._tidy()),
        ]

    async def close(self) -> None:
        """Writes what is to be written and gives back what is held; others do what cannot be done now."""
        await stopped(self._tasks)
        with suppress(Failure, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.books.written()
            await keeping.sweep(self._database, leaving=self.worker)

    async def call(self, endpoint: Endpoint, work: Work, body: Any, max_tokens: int, ask: Ask) -> tuple[Answer, Charge]:
        """Makes one call: no call is made that may not be, and none that was made is left out of the books."""
        entry, price = await self._reserved(endpoint, work, body, max_tokens)
        reserved = entry.reserved_nanos or 0
        work.budget.reserve(reserved)
        try:
            lane = self._lane(endpoint.id)
            turn = await lane.turn(endpoint, entry)
            try:
                return await self._made(lane, entry, price, work, ask)
            finally:
                lane.leave(turn)
        finally:
            work.budget.settle(reserved, _charge(entry) if entry.status == "STATUS_SETTLED" else None)

    async def _made(self, lane: Lane, entry: Entry, price: Price | None, work: Work, ask: Ask) -> tuple[Answer, Charge]:
        lane.breaker.enter(entry.endpoint.name)
        began = 0.0
        try:
            await self.books.open(entry)
            began = time.perf_counter()
            answer = await ask()
            ANSWERED()
            lane.breaker.succeeded()
        except ModelFault as fault:
            entry.latency_ms = (time.perf_counter() - began) * 1000
            self._failed(lane, entry, fault)
            raise
        except BaseException:
            lane.breaker.left()
            self._broken(entry, work, began)
            raise
        entry.latency_ms = (time.perf_counter() - began) * 1000
        return answer, self._settled(entry, price, answer)

    def _failed(self, lane: Lane, entry: Entry, fault: ModelFault) -> None:
        if isinstance(fault, ModelUnavailable):
            lane.breaker.failed(fault)
        else:
            lane.breaker.succeeded()  # it answered, if only to refuse
        if fault.billed:
            entry.estimate()
            fault.charge = _charge(entry)
        else:
            entry.status, entry.cost_nanos = "STATUS_FAILED", 0
        entry.error_class = fault.error_class
        self.books.close(entry)

    def _broken(self, entry: Entry, work: Work, began: float) -> None:
        """Ends a call that was cancelled: once it was sent, the endpoint may have worked, and will want to be paid."""
        if began:
            entry.latency_ms = (time.perf_counter() - began) * 1000
            entry.estimate()
            if work.story:
                work.story.stopped(entry.endpoint.name, _charge(entry))
        else:
            entry.status, entry.cost_nanos = "STATUS_FAILED", 0
        entry.error_class = "CANCELLED"
        self.books.close(entry)

    def _settled(self, entry: Entry, price: Price | None, answer: Answer) -> Charge:
        if answer.usage is None:
            entry.estimate()
        else:
            usage = answer.usage
            entry.input_tokens, entry.output_tokens = usage.input_tokens, usage.output_tokens
            entry.cached_input_tokens = usage.cached_input_tokens
            entry.status = "STATUS_SETTLED"
            entry.cost_nanos = None if price is None else price.cost_nanos(usage)
            self._calibration.learn(entry.endpoint.id, entry.request_bytes, usage.input_tokens)
        self.books.close(entry)
        return _charge(entry)

    async def _reserved(self, endpoint: Endpoint, work: Work, body: Any, max_tokens: int) -> tuple[Entry, Price | None]:
        price = price_at(endpoint.prices, datetime.now(UTC))
        limited = endpoint.limited or work.budget.limit_nanos is not None or work.budget.counted
        if refusal := pricing.refusal(limited=limited, price=price, max_tokens=max_tokens):
            raise BudgetSpent(f"{endpoint.name}: {refusal}")
        size = len(json.dumps(body, ensure_ascii=False).encode())
        expected = pricing.expected(size, max_tokens, await self._calibration.of(endpoint.id))
        entry = Entry(
            endpoint,
            work.organization_id,
            work.id,
            work.owner_id,
            current_purpose(work),
            expected.input_tokens,
            expected.output_tokens,
            None if price is None else price.cost_nanos(expected),
            size,
        )
        return entry, price

    def _lane(self, connector_id: UUID) -> Lane:
        found = self._lanes.get(connector_id)
        if found is None:
            found = self._lanes[connector_id] = Lane(self._database, self.worker, connector_id)
        return found

    def _forget(self) -> None:
        for lane in self._lanes.values():
            lane.forget()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for lane in list(self._lanes.values()):
                with suppress(Failure):  # a database that is away is told a second later
                    await lane.tidy()


def _charge(entry: Entry) -> Charge:
    took = Usage(entry.input_tokens, entry.output_tokens, entry.cached_input_tokens)
    return Charge(took, entry.cost_nanos, entry.latency_ms, entry.estimated)
