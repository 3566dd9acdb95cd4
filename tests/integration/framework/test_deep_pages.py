"""A page deep in a list costs what the first one costs: the index is entered where the page begins."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import psycopg
import pytest
from plans import planned

from framework.call import Context
from framework.engine.paging import Page
from framework.resource import spec_of
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench

ROWS = 20_000
FILL = """INSERT INTO specimens (organization_id, id, owner_id, name, small, created_at)
          SELECT %(organization)s, gen_random_uuid(), %(owner)s, 'n' || i %% 7, i %% 1000,
                 timestamptz '2026-01-01' + (i / 3) * interval '1 second'
          FROM generate_series(1, %(rows)s) AS i"""


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        async with made.database.system() as tx:
            await tx.execute(FILL, {"organization": made.organization_id, "owner": made.user.id, "rows": ROWS})
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("ANALYZE specimen.specimens")
        yield made


async def answered(bench: Workbench, **asked: Any) -> tuple[list[dict[str, Any]], str]:
    """Returns how the service's own role, behind its wall, came to a page, and the token of the next one."""
    request = message("ListSpecimensRequest")(page_size=50, **asked)
    context: Context = bench.context(bench.user, "ListSpecimens")
    page = Page(spec_of(Specimen), context, request, "/list", bench.engine.seal)
    sql, params = page.statement()
    async with bench.database.tenant(bench.organization_id) as tx:
        rows = await tx.fetch(sql, params)
    answer = page.answer(rows, list(map(page.selection.message, rows)), message("ListSpecimensResponse")())
    return await planned(bench, sql, params), answer.next_page_token


async def test_the_index_is_entered_where_the_page_begins(bench: Workbench) -> None:
    """Nothing is sorted, nothing before the page is looked at, and no table is read from end to end."""
    async with bench.database.system() as tx:
        middle = await tx.fetch_one(
            "SELECT created_at, id FROM specimens WHERE organization_id = %(o)s ORDER BY 1, 2 OFFSET %(n)s LIMIT 1",
            {"o": bench.organization_id, "n": ROWS // 2},
        )
    assert middle is not None
    for order, text in product(("", "created_at", "created_at desc, id desc"), ("", 'NOT name = "n0"')):
        request = message("ListSpecimensRequest")(filter=text, order_by=order)
        page = Page(spec_of(Specimen), bench.context(bench.user, "ListSpecimens"), request, "/list", bench.engine.seal)
        token = bench.engine.seal.seal([middle["created_at"], middle["id"]], page.binding)
        for begin in ("", token):
            plan, following = await answered(bench, filter=text, order_by=order, page_token=begin)
            assert following
            kinds = {node["Node Type"] for node in plan}
            assert not kinds & {"Seq Scan", "Sort", "Incremental Sort"}, kinds
            assert all(node.get("Rows Removed by Filter", 0) < 50 for node in plan)
