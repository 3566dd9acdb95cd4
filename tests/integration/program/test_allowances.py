"""A worker's part of a limit: it goes back once, whatever becomes of the database and of the worker."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from framework.errors import DependencyUnavailable
from framework.identifiers import new_id
from framework.storage import Database
from framework.testing.workbench import Workbench
from services.program.metering.allowance import SLOTS, Allowance, Key, taken
from services.program.metering.books import Entry
from services.program.metering.lane import Turn
from tests.integration.program.metered import endpoint


class Losing:
    """A database that commits one transaction whose answer is lost on the way, as when it restarts."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lose = False

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Any]:
        async with self.database.system() as tx:
            yield tx
        if self.lose:
            self.lose = False
            raise DependencyUnavailable("the database does not answer", service="database")


def slots(database: Any, limit: int = 1) -> Allowance:
    """A worker's part of how many calls may run at once."""
    return Allowance(database, str(new_id()), Key(new_id(), new_id(), SLOTS), limit)


async def held(database: Database, allowance: Allowance) -> int:
    """Returns what of a limit workers hold, as the books have it."""
    sql = "SELECT sum(drawn)::bigint AS drawn FROM model_allowances WHERE connector_id = %(id)s"
    async with database.system() as tx:
        row = await tx.fetch_one(sql, {"id": allowance.key.connector_id})
    return int(row["drawn"] or 0) if row else 0


async def test_a_limit_is_given_back_once_though_the_database_was_away(bench: Workbench) -> None:
    """Whether or not it had heard of it: what is given back again is not there any more."""
    losing = Losing(bench.database)
    part = slots(losing)
    assert await part.take(1) == 0
    part.spend(0, 1, part.id)
    losing.lose = True
    with pytest.raises(DependencyUnavailable):
        await part.give_back()
    assert await part.take(1) == 0 and part.out == 1
    await part.give_back()
    assert await held(bench.database, part) == 1, "what was taken since is not given back with it"


async def test_what_was_drawn_without_an_answer_is_given_back(bench: Workbench) -> None:
    """Nobody here knows that it is held, and nobody else could have it while this worker lives."""
    losing = Losing(bench.database)
    part = slots(losing)
    losing.lose = True
    with pytest.raises(DependencyUnavailable):
        await part.take(1)
    assert await held(bench.database, part) == 1 and await part.take(1) > 0
    await part.give_back()
    assert await held(bench.database, part) == 0 and await part.take(1) == 0


class Between:
    """A database in which something else happens between a commit and whoever waits for it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.then: Callable[[], Any] | None = None

    @asynccontextmanager
    async def system(self) -> AsyncIterator[Any]:
        async with self.database.system() as tx:
            yield tx
        then, self.then = self.then, None
        if then is not None:
            await then()


async def test_what_goes_back_while_more_is_drawn_is_not_there_to_be_taken(bench: Workbench) -> None:
    """What was drawn goes back with what was held: a worker that went on with it would exceed the limit."""
    between = Between(bench.database)
    part = slots(between, limit=8)
    assert await part.take(1) == 0
    part.spend(0, 1, part.id)
    between.then = part.give_back
    assert await part.take(2) > 0
    assert part.held == await held(bench.database, part) == 0
    assert await part.take(2) == 0 and await held(bench.database, part) == 2


async def test_calls_of_a_worker_that_was_thought_dead_leave_nothing_to_take_twice(bench: Workbench) -> None:
    """What they held went back already: their ends add nothing to what is held since."""
    part = slots(bench.database, limit=2)
    _, took = await taken([(part, 2)])
    async with bench.database.system() as tx:  # as the sweep of another worker does
        await tx.execute("DELETE FROM model_allotments WHERE id = %(id)s", {"id": part.id})
        await tx.execute("UPDATE model_allowances SET drawn = 0 WHERE connector_id = %(connector)s", part.names)
    part.forget()
    Turn(Entry(endpoint(), new_id(), None, None, "PROGRAM", 0, 0, None, 0), took).settle()
    assert (part.held, part.out) == (0, 0)
    assert await part.take(2) == 0 and await held(bench.database, part) == 2
