"""The way to one connector in this worker: who waits takes turns by weight, and passes when every limit lets it."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from framework.storage import Database
from services.program.connectors.breaker import Breaker
from services.program.connectors.endpoint import EVERYBODY, Endpoint, Limits
from services.program.metering.allowance import MONEY, REQUESTS, SLOTS, TOKENS, Allowance, Key, Took, taken
from services.program.metering.books import Entry, Paid

IDLE_SECONDS = 1.0


@dataclass
class Turn:
    """One call that may go: what it took of which limits, to be spent or given back."""

    entry: Entry
    took: Took

    def settle(self) -> None:
        """Gives back what it took and did not use; of money, what it did not cost."""
        used = {
            MONEY: self.entry.cost_nanos or 0,
            TOKENS: self.entry.input_tokens + self.entry.output_tokens,
            REQUESTS: 1,
        }
        for allowance, allotment, amount in self.took:
            allowance.spend(used.get(allowance.key.unit, 0), amount, allotment)


@dataclass
class _Waiter:
    endpoint: Endpoint
    entry: Entry
    admitted: "asyncio.Future[Turn]"
    since: float = field(default_factory=time.monotonic)


class Lane:
    """All calls of this worker through one connector."""

    def __init__(self, database: Database, worker: str, connector_id: UUID) -> None:
        self.breaker = Breaker()
        self._database = database
        self._worker = worker
        self._id = connector_id
        self._allowances: dict[Key, Allowance] = {}
        self._queues: dict[UUID, deque[_Waiter]] = {}
        self._served: dict[UUID, float] = {}
        """How much each organization was served, by its weight; those that come anew begin where the others are."""
        self._stirred = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def turn(self, endpoint: Endpoint, entry: Entry) -> Turn:
        """Returns when the call may begin; raises BudgetSpent when its money is spent."""
        waiter = _Waiter(endpoint, entry, asyncio.get_running_loop().create_future())
        queue = self._queues.setdefault(entry.organization_id, deque())
        if not queue:
            floor = min((self._served[o] for o, q in self._queues.items() if q and o in self._served), default=0.0)
            self._served[entry.organization_id] = max(self._served.get(entry.organization_id, 0.0), floor)
        queue.append(waiter)
        self._stir()
        try:
            turn = await waiter.admitted
        except asyncio.CancelledError:
            if waiter.admitted.done() and not waiter.admitted.cancelled() and waiter.admitted.exception() is None:
                self.leave(waiter.admitted.result())  # it was admitted in the very moment
            elif waiter in queue:
                queue.remove(waiter)
            raise
        entry.waited_ms = (time.monotonic() - waiter.since) * 1000
        return turn

    def leave(self, turn: Turn) -> None:
        """Ends a turn: what it left is there for the next."""
        turn.settle()
        self._stir()

    def forget(self) -> None:
        """Starts anew with all limits: what was held of them has gone back."""
        for allowance in self._allowances.values():
            allowance.forget()

    async def tidy(self) -> None:
        """Gives back to other workers what has not been used for a while."""
        for allowance in list(self._allowances.values()):
            # Of one that waits for more, too: what two workers hold of the last money may be enough for one.
            if time.monotonic() - allowance.used_at > IDLE_SECONDS:
                await allowance.give_back()

    def _stir(self) -> None:
        self._stirred.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while any(self._queues.values()):
            self._stirred.clear()
            wait = await self._next()
            if wait:
                try:
                    async with asyncio.timeout(wait):
                        await self._stirred.wait()
                except TimeoutError:
                    pass

    async def _next(self) -> float:
        """Admits the next call and returns 0, or returns in how many seconds one might pass."""
        soonest = 60.0
        for organization in sorted((o for o, q in self._queues.items() if q), key=lambda o: self._served[o]):
            waiter = self._queues[organization][0]
            try:
                wait, took = await taken(self._wanted(waiter))
            except Exception as fault:  # told to whoever waits
                self._dismiss(organization, waiter, fault)
                return 0.0
            if not wait:
                self._admit(organization, waiter, took)
                return 0.0
            # One that waits for its own share lets the others pass.
            soonest = min(soonest, wait)
        return soonest

    def _admit(self, organization: UUID, waiter: _Waiter, took: Took) -> None:
        turn = Turn(waiter.entry, took)
        waiter.entry.paid = [_paid(allowance, of) for allowance, of, _ in took if allowance.key.unit == MONEY]
        queue = self._queues[organization]
        if waiter.admitted.done() or not queue or queue[0] is not waiter:  # it left while its limits were asked
            turn.settle()
            return
        queue.popleft()
        self._served[organization] += 1 / max(1, waiter.endpoint.weight)
        waiter.admitted.set_result(turn)

    def _dismiss(self, organization: UUID, waiter: _Waiter, fault: Exception) -> None:
        queue = self._queues[organization]
        if queue and queue[0] is waiter:
            queue.popleft()
        if not waiter.admitted.done():
            waiter.admitted.set_exception(fault)

    def _wanted(self, waiter: _Waiter) -> list[tuple[Allowance, int]]:
        endpoint, entry = waiter.endpoint, waiter.entry
        both = [(EVERYBODY, endpoint.limits), (entry.organization_id, endpoint.share)]
        return [
            (self._allowance(Key(self._id, whose, unit), limit), amount)
            for whose, limits in both
            for unit, limit, amount in _amounts(limits, entry)
        ]

    def _allowance(self, key: Key, limit: int) -> Allowance:
        found = self._allowances.get(key)
        if found is None:
            found = self._allowances[key] = Allowance(self._database, self._worker, key, limit)
        found.limit = limit
        return found


def _amounts(limits: Limits, entry: Entry) -> Sequence[tuple[str, int, int]]:
    """Returns what a call takes of each limit that there is."""
    every = [
        (SLOTS, limits.concurrency, 1),
        (REQUESTS, limits.requests_per_minute, 1),
        (TOKENS, limits.tokens_per_minute, entry.expected_input + entry.expected_output),
        (MONEY, limits.spend_nanos_per_month, entry.reserved_nanos or 0),
    ]
    return [(unit, limit, amount) for unit, limit, amount in every if limit is not None]


def _paid(allowance: Allowance, allotment: UUID) -> Paid:
    assert allowance.window is not None, "it was drawn"
    return Paid(allotment, allowance.key.connector_id, allowance.key.organization_id, allowance.window)
