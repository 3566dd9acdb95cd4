"""Single reads: one round trip that leaves nothing behind, whichever way psycopg sends what is in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import product
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from framework.errors import Failure
from framework.storage import Unmet, database, pipelines
from framework.tasks import stopped
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench

_IDS = "SELECT id::text FROM specimens"
_WAITS = "SELECT current_setting('synchronous_commit') AS waits"
_WAIT = "SELECT set_config('synchronous_commit', 'on', false)"  # the databases of tests do not, by themselves


@pytest.fixture(params=["together", "one by one", "sealed"])
async def bench(
    request: pytest.FixtureRequest, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workbench]:
    """A psycopg as it is, one that knows nothing of our way, and one that would not have it."""
    if request.param == "one by one":
        monkeypatch.setattr(pipelines, "held", lambda connection: nullcontext())
    if request.param == "sealed":
        ours = pipelines.held
        monkeypatch.setattr(pipelines, "held", lambda connection: _sealed(ours))
    async with workbench(registry(), postgres_url) as made:
        yield made


def _sealed(ours: Any) -> AbstractAsyncContextManager[None]:
    made: AbstractAsyncContextManager[None] = ours(SimpleNamespace(_pipeline=object()))  # which takes no attribute
    return made


async def create(bench: Workbench) -> str:
    made = message("CreateSpecimenRequest")(specimen=message("Specimen")(name="a"))
    return str((await bench.do("CreateSpecimen", made)).id)


async def test_a_read_sees_its_own_organization_and_leaves_the_connection_to_nobody(bench: Workbench) -> None:
    """Not even on the same connection, one read after the other."""
    other = bench.elsewhere()
    mine, theirs = await create(bench), await create(other)
    for _ in range(4):  # prepared from the second time on
        for organization, expected in ((bench.organization_id, [mine]), (other.organization_id, [theirs]), (None, [])):
            rows = await bench.database.reads(organization).fetch(_IDS)
            assert [row["id"] for row in rows] == expected


async def test_a_read_that_fails_is_a_failure_and_the_next_one_works(bench: Workbench) -> None:
    """Whether it is wrong or takes longer than its call may last."""
    mine = await create(bench)
    for query, seconds in (("SELECT 1 / (small - small) FROM specimens", 30.0), ("SELECT pg_sleep(5)", 0.05)):
        with pytest.raises((Failure, database.psycopg.Error)):
            await bench.database.reads(bench.organization_id, seconds).fetch(query)
        assert [row["id"] for row in await bench.database.reads(bench.organization_id).fetch(_IDS)] == [mine]


async def test_a_single_statement_commits_by_itself_and_waits_for_the_disk_unless_it_need_not(bench: Workbench) -> None:
    """What it was told holds for it alone: the next on the same connection waits again."""
    first = await create(bench)
    await bench.database.once(_WAIT)
    named = f"UPDATE specimens SET name = %(name)s WHERE id = %(id)s RETURNING name, {_WAITS.removeprefix('SELECT ')}"
    for durable, waits in ((False, "off"), (True, "on")):
        told = {"id": first, "name": waits}
        assert await bench.database.once(named, told, durable=durable) == [{"name": waits, "waits": waits}]
        for _ in range(2):
            assert await bench.database.once(_WAITS) == [{"waits": "on"}]
        assert await bench.database.once("SELECT name FROM specimens WHERE id = %(id)s", told) == [{"name": waits}]
    with pytest.raises(psycopg.errors.DivisionByZero):
        await bench.database.once("SELECT 1 / 0", durable=False)
    assert await bench.database.once("SELECT 1 AS one", durable=False) == [{"one": 1}]


async def test_a_transaction_that_need_not_wait_leaves_no_trace_either(bench: Workbench) -> None:
    async with bench.database.tenant(bench.organization_id) as tx:
        await tx.fetch(_WAIT)
    for _ in range(4):
        async with bench.database.tenant(bench.organization_id) as tx:
            await tx.lazily()
            assert await tx.fetch(_WAITS) == [{"waits": "off"}]
        async with bench.database.tenant(bench.organization_id) as tx:
            assert await tx.fetch(_WAITS) == [{"waits": "on"}]


async def test_what_a_transaction_left_is_answered_after_it_whoever_has_its_connection_then(bench: Workbench) -> None:
    """What the next one has left is not sent for it."""
    async with bench.database.tenant(bench.organization_id) as tx:
        asked = await tx.leave("SELECT 1 AS one")
    async with bench.database.tenant(bench.organization_id) as other:
        assert other.connection is tx.connection, "there is but one"
        queue = other.connection._pipeline.command_queue  # type: ignore[union-attr]
        waiting = len(queue)
        assert await tx.answer(asked) == [{"one": 1}] and len(queue) == waiting > 0


async def test_what_is_required_and_is_not_there_undoes_all(bench: Workbench) -> None:
    """Whoever waits next hears so, or the commit; what is there is nobody's business."""
    there, nothing = "SELECT %(one)s::int", "SELECT %(one)s::int WHERE false"
    told = "INSERT INTO outbox (organization_id, event) VALUES (%(organization)s, '{}')"
    for required, waits in product((there, nothing), (False, True)):
        expected = pytest.raises(Unmet) if required is nothing else nullcontext()
        before = await _waiting_events(bench)
        with expected:
            async with bench.database.tenant(bench.organization_id) as tx:
                await tx.require(required, {"one": 1})
                await tx.leave(told, {"organization": bench.organization_id})
                if waits:
                    await tx.fetch("SELECT 1")
        assert await _waiting_events(bench) - before == (required is there)


async def _waiting_events(bench: Workbench) -> int:
    async with bench.database.system() as tx:
        waiting = "SELECT count(*) AS count FROM outbox WHERE organization_id = %(organization)s"
        (found,) = await tx.fetch(waiting, {"organization": bench.organization_id})
    return int(found["count"])


async def test_notifications_bring_their_words(bench: Workbench) -> None:
    """In order; the first comes without one, for what was missed."""
    words: list[str] = []
    async for word in bench.database.listen("bells", every=5.0):
        words.append(word)
        if len(words) == 1:
            for each in ("one 1", "two 2"):
                async with bench.database.system() as tx:
                    await bench.database.notify(tx, "bells", each)
        if len(words) == 3:
            break
    assert words == ["", "one 1", "two 2"]


async def test_what_nobody_told_of_is_looked_for_however_much_is_told_of_other_things(bench: Workbench) -> None:
    """Who hears a word looks for what it names: on a channel that is never silent the rest would wait for ever."""

    async def ring() -> None:
        while True:
            async with bench.database.system() as tx:
                await bench.database.notify(tx, "busy bells", "one 1")

    ringing = asyncio.create_task(ring())
    heard: list[str] = []
    async for word in bench.database.listen("busy bells", every=0.5):
        heard.append(word)
        if heard.count("") == 3:
            break
    await stopped([ringing])
    assert heard[0] == "" and "one 1" in heard
