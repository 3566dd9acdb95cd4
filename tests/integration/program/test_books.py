"""The books: entries are written together, and what cannot be written keeps no other out."""

import asyncio

import pytest

from framework.identifiers import new_id
from framework.storage import Database
from framework.testing.workbench import Workbench
from services.program.metering.books import Books, Entry
from tests.integration.program.metered import endpoint

BEYOND = 10**30
"""More than any column holds."""


def entry(reserved: int = 10) -> Entry:
    """A call of somebody's through a connector of their own."""
    return Entry(endpoint(), new_id(), None, None, "PROGRAM", 3, 4, reserved, 100)


async def statuses(database: Database, *entries: Entry) -> list[str | None]:
    """How calls stand in the books; None for those that are not in them."""
    async with database.system() as tx:
        rows = await tx.fetch(
            "SELECT id, status FROM model_calls WHERE id = ANY(%(ids)s)", {"ids": [each.id for each in entries]}
        )
    found = {row["id"]: row["status"] for row in rows}
    return [found.get(each.id) for each in entries]


async def test_a_call_that_cannot_be_opened_keeps_no_other_waiting(bench: Workbench) -> None:
    """Its own caller is told; those that came with it go on, and so does whoever comes after."""
    books, first, strange, second = Books(bench.database, str(new_id())), entry(), entry(BEYOND), entry()
    opened = await asyncio.gather(*map(books.open, (first, strange, second)), return_exceptions=True)
    assert [each is None for each in opened] == [True, False, True]
    assert await statuses(bench.database, first, strange, second) == ["STATUS_RESERVED", None, "STATUS_RESERVED"]
    await books.open(later := entry())
    assert await statuses(bench.database, later) == ["STATUS_RESERVED"]


async def test_a_call_that_cannot_be_settled_keeps_no_other_unsettled(
    bench: Workbench, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands at what was set aside for it, until its worker ends; the log tells of it."""
    books, entries = Books(bench.database, str(new_id())), [entry(), entry(), entry()]
    await asyncio.gather(*map(books.open, entries))
    for each in entries:
        each.status, each.cost_nanos = "STATUS_SETTLED", 5
    entries[1].input_tokens = BEYOND
    for each in entries:
        books.close(each)
    await books.written()
    assert await statuses(bench.database, *entries) == ["STATUS_SETTLED", "STATUS_RESERVED", "STATUS_SETTLED"]
    assert f"how call {entries[1].id} ended cannot be written" in caplog.text
