"""Long exports: short transactions, no more read than is wanted, a sign of life while the database thinks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from framework.engine import exporting
from framework.testing.counting import counted
from framework.testing.serving import Served, served
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench

ROWS = 2500
FILL = """INSERT INTO specimens (organization_id, id, owner_id, name, free)
          SELECT %(organization)s, gen_random_uuid(), %(owner)s, 'n' || i,
                 jsonb_build_object('text', repeat('x', %(length)s))
          FROM generate_series(1, %(rows)s) AS i"""


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Served]:
    async with workbench(registry(), postgres_url) as bench, served(bench) as made:
        yield made


async def fill(bench: Workbench, rows: int = ROWS, length: int = 10) -> None:
    """Leaves rows of the user's."""
    names = {"organization": bench.organization_id, "owner": bench.user.id, "rows": rows, "length": length}
    async with bench.database.system() as tx:
        await tx.execute(FILL, names)


def row_of(frame: Any) -> Any:
    """Returns the resource of a frame."""
    row = message("Specimen")()
    assert frame.item.resource.Unpack(row)
    return row


async def test_a_cut_export_is_resumed_without_loss(server: Served) -> None:
    """Over the wire, wherever it is cut, with pages of every size between; each row comes once."""
    await fill(server.bench)
    user = server.as_actor(server.bench.user)
    seen: list[str] = []
    token = ""
    for cut in (1, 150, 700, 10 * ROWS):
        async for frame in user.stream("ExportSpecimens", resume_token=token, order_by="created_at, name"):
            if frame.WhichOneof("frame") == "end":
                break
            seen.append(row_of(frame).id)
            token = frame.item.resume_token
            cut -= 1
            if not cut:
                break
    assert len(seen) == len(set(seen)) == ROWS


async def test_a_slow_reader_holds_the_next_page_back(server: Served, postgres_url: str) -> None:
    """Nothing is read before it is wanted, and nothing is held open in the meantime."""
    await fill(server.bench, rows=600, length=100_000)
    frames = server.as_actor(server.bench.user).stream("ExportSpecimens")
    with counted(server.bench.database) as queries:
        await anext(frames)
        first = await _settled(queries)
        async for _ in frames:
            pass
    assert first < len(queries.on("specimens")) / 2
    with psycopg.connect(postgres_url) as connection:
        (idle,) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = 'specimen' AND state LIKE 'idle in%'"
        ).fetchone() or (None,)
    assert idle == 0


async def _settled(queries: Any) -> int:
    """Returns how many statements there are once no more come: what flow control lets through is through."""
    known = -1
    while known != len(queries):
        known = len(queries)
        await asyncio.sleep(0.3)
    return known


async def test_pages_are_as_large_as_their_rows_allow(server: Served) -> None:
    """Small rows come by the thousand; of large ones only so many are held as fit."""
    for length, most in ((10, 5), (100_000, 40)):
        await fill(server.bench, rows=400, length=length)
        with counted(server.bench.database) as queries:
            async for _ in server.bench.frames("ExportSpecimens", message_of()):
                pass
        assert len(queries) <= most
    assert exporting._fitting(10) == exporting.LARGEST_PAGE
    assert exporting._fitting(10**9) == 1


def message_of(**fields: Any) -> Any:
    """Returns a request."""
    return registry().methods["/ashgrove.specimen.v1.SpecimenService/ExportSpecimens"].request_class(**fields)


async def test_it_gives_a_sign_of_life_while_the_database_thinks(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on with the rows; whoever leaves in the meantime leaves no statement behind."""
    monkeypatch.setattr(exporting, "HEARTBEAT_SECONDS", 0.05)
    await fill(server.bench, rows=3)
    user = server.as_actor(server.bench.user)
    frames = user.stream("ExportSpecimens")
    async with server.bench.database.system() as tx:
        await tx.execute("LOCK TABLE specimens IN ACCESS EXCLUSIVE MODE")
        assert (await anext(frames)).heartbeat.sequence == 0
        left = user.stream("ExportSpecimens")
        assert (await anext(left)).WhichOneof("frame") == "heartbeat"
        await left.aclose()
    kinds = [frame.WhichOneof("frame") async for frame in frames]
    assert [kind for kind in kinds if kind != "heartbeat"] == ["item"] * 3 + ["end"]
    assert (await user.do("ListSpecimens")).specimens
