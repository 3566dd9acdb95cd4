"""Allowances: a limit that many workers share, drawn from the database in allotments and spent from memory."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database
from services.program.connectors.faults import BudgetSpent

MONEY, REQUESTS, TOKENS, SLOTS = "money", "requests", "tokens", "slots"
RETURNED = (MONEY, SLOTS)
"""What goes back when it is not used; what a minute allows is gone with the minute."""
AGAIN_SECONDS = 0.05
FORGOTTEN_SECONDS = 30.0
PATIENCE_SECONDS = 3.0
"""How long money that other workers hold is waited for before it counts as spent."""
DRAWN = Failpoint("limit.drawn", "a part of a limit is drawn for a worker, and no call has it")
RETURNED_ALONE = Failpoint("limit.returned", "a part of a limit has gone back, and its worker does not know")
_WINDOW = {
    MONEY: "date_trunc('month', clock_timestamp() AT TIME ZONE 'utc') AT TIME ZONE 'utc'",
    REQUESTS: "date_trunc('minute', clock_timestamp())",
    TOKENS: "date_trunc('minute', clock_timestamp())",
    SLOTS: "to_timestamp(0)",
}
_KEY = """connector_id = %(connector)s AND organization_id = %(organization)s AND unit = %(unit)s
          AND window_start = %(window)s"""
_OPEN = """
INSERT INTO model_allowances (connector_id, organization_id, unit, window_start)
VALUES (%(connector)s, %(organization)s, %(unit)s, {window})
ON CONFLICT (connector_id, organization_id, unit, window_start) DO UPDATE SET drawn = model_allowances.drawn
RETURNING drawn, window_start, extract(epoch FROM clock_timestamp() - window_start)::float8 AS passed
"""
_DRAW = f"UPDATE model_allowances SET drawn = drawn + %(amount)s WHERE {_KEY}"
_HOLD = """
INSERT INTO model_allotments (id, worker, connector_id, organization_id, unit, window_start, amount)
VALUES (%(id)s, %(worker)s, %(connector)s, %(organization)s, %(unit)s, %(window)s, %(amount)s)
ON CONFLICT (id) DO UPDATE SET amount = model_allotments.amount + excluded.amount
"""
_ELSEWHERE = (
    f"SELECT coalesce(sum(amount), 0)::bigint AS held FROM model_allotments WHERE {_KEY} AND worker <> %(worker)s"
)
# Limits are locked before the allotments of them, as by whoever settles or leaves.
_LOCK = f"SELECT FROM model_allowances WHERE {_KEY} FOR UPDATE"
_LEAVE = "DELETE FROM model_allotments WHERE id = %(id)s RETURNING amount"


@dataclass(frozen=True)
class Key:
    """What a limit is about: a connector, an organization (or everybody) and what is counted."""

    connector_id: UUID
    organization_id: UUID
    unit: str


class Allowance:
    """The part of one limit that a worker has. Only one task may take at a time; giving back is always safe."""

    def __init__(self, database: Database, worker: str, key: Key, limit: int) -> None:
        self.key = key
        self.limit = limit
        self.id = new_id()
        self.held = 0
        """What is there to be taken without asking."""
        self.out = 0
        """What was taken and is neither spent nor given back."""
        self.used_at = time.monotonic()
        self._database = database
        self._worker = worker
        self.window: datetime | None = None
        """When the window began that the held amount is of."""
        self._ends = 0.0
        self._refused_since = -FORGOTTEN_SECONDS
        self._doubted = False
        """Whether more may have been drawn than is known here: the answer of the database was lost."""
        self._leaving: list[dict[str, Any]] = []
        """Allotments that go back, as statements are told of them, until it is certain that they have."""

    @property
    def names(self) -> dict[str, Any]:
        """What statements about it are told."""
        key = self.key
        about = {"connector": key.connector_id, "organization": key.organization_id, "unit": key.unit}
        return about | {"id": self.id, "worker": self._worker, "window": self.window}

    async def take(self, amount: int) -> float:
        """Takes an amount and returns 0, or returns in how many seconds to try again.

        Raises BudgetSpent for money that nobody has left.
        """
        if self.key.unit not in RETURNED:
            amount = min(amount, self.limit)  # what is larger than a minute allows runs alone in one
        self._expire()
        if self.held < amount and (wait := await self._draw(amount)):
            return wait
        if self.held < amount:  # what was held went back while more was drawn
            return AGAIN_SECONDS
        self.held -= amount
        self.out += amount
        self.used_at = time.monotonic()
        self._refused_since = -FORGOTTEN_SECONDS
        return 0.0

    def spend(self, amount: int, reserved: int, of: UUID) -> None:
        """Turns what was taken into what it cost; what it cost more was never drawn, and is booked all the same.

        Of an allotment that is not held any more nothing is left here: all of it went back, or its window is over.
        """
        if of == self.id:
            self.out -= reserved
            self.held += reserved - amount

    def forget(self) -> None:
        """Starts anew: what was held went back meanwhile, because this worker was thought dead."""
        self.id, self.held, self.out, self._doubted = new_id(), 0, 0, False

    async def give_back(self) -> None:
        """Returns to the others what is held and not taken; what a failure leaves undone the next time does."""
        if self.key.unit not in RETURNED:
            return
        if not self.out and (self.held > 0 or self._doubted):
            self._leaving.append(self.names)
            self.forget()
        while self._leaving:
            await self._left(self._leaving[0])
            self._leaving.pop(0)

    async def _left(self, allotment: dict[str, Any]) -> None:
        # What is written of it later than the memory knows is booked on the limit: what was spent, it has spent.
        async with self._database.system() as tx:
            await tx.execute(_LOCK, allotment)
            row = await tx.fetch_one(_LEAVE, allotment)
            if row is not None:
                await tx.execute(_DRAW, allotment | {"amount": -row["amount"]})
        RETURNED_ALONE()

    def _expire(self) -> None:
        if self.window is not None and self.key.unit not in RETURNED and time.monotonic() >= self._ends:
            self.held = 0

    async def _draw(self, amount: int) -> float:
        try:
            return await self._drawn(amount)
        except (Failure, asyncio.CancelledError):
            self._doubted = True
            raise

    async def _drawn(self, amount: int) -> float:
        need = amount - self.held
        async with self._database.system() as tx:
            row = await tx.fetch_one(_OPEN.format(window=_WINDOW[self.key.unit]), self.names)
            assert row is not None
            self._enter(row)
            room = self.limit - row["drawn"]
            need = amount - self.held
            if need > room:
                return await self._nothing(tx, need - room, row["passed"])
            granted = max(need, room // 8)
            names = {**self.names, "amount": granted}
            await tx.execute(_DRAW, names)
            if self.key.unit in RETURNED:
                await tx.execute(_HOLD, names)
        DRAWN()
        if self.id != names["id"]:  # its allotment went back meanwhile, and what was drawn with it
            return AGAIN_SECONDS
        self.held += granted
        return 0.0

    def _enter(self, row: dict[str, Any]) -> None:
        if row["window_start"] != self.window:
            if self.window is not None:
                self.forget()  # what one window allows pays for no call of the next
            self.window = row["window_start"]
        self._ends = time.monotonic() + 60.0 - row["passed"]

    async def _nothing(self, tx: Any, lacking: int, passed: float) -> float:
        if self.key.unit == SLOTS:
            return AGAIN_SECONDS
        if self.key.unit != MONEY:
            return max(0.01, 60.0 - passed)
        elsewhere = await tx.fetch_one(_ELSEWHERE, self.names)
        waited = time.monotonic() - self._refused_since
        if waited > FORGOTTEN_SECONDS:
            self._refused_since, waited = time.monotonic(), 0.0
        # Whoever waits in vain does so once for all that come soon after.
        if (elsewhere["held"] or self.out) and waited < PATIENCE_SECONDS:
            return AGAIN_SECONDS * 4
        raise BudgetSpent("this month's spending limit is reached; raise it, or wait for the next month")


Took = list[tuple[Allowance, UUID, int]]
"""What was taken: of each limit, from which allotment, and how much."""


async def taken(wanted: list[tuple[Allowance, int]]) -> tuple[float, Took]:
    """Takes all of several amounts, or none of them and says in how many seconds to try again."""
    done: Took = []
    try:
        for allowance, amount in wanted:
            if wait := await allowance.take(amount):
                return wait, []
            done.append((allowance, allowance.id, amount))
        took, done = done, []
        return 0.0, took
    finally:
        for allowance, allotment, amount in done:
            allowance.spend(0, amount, allotment)
