"""What relationships lead to is reached by index: the cost is that of what is shown, not of what there is."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from plans import planned

from framework.engine.including import edges_of
from framework.engine.paging import Page
from framework.resource import spec_of
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench

WHOLES, PARTS = 200, 20_000
FILL = """
INSERT INTO specimens (organization_id, id, owner_id, name, created_at)
SELECT %(organization)s, gen_random_uuid(), %(owner)s, 'n' || i, now() FROM generate_series(1, %(wholes)s) AS i;
"""
FILL_PIECES = """
INSERT INTO pieces (organization_id, id, owner_id, specimen_id, small, created_at)
SELECT %(organization)s, gen_random_uuid(), %(owner)s, s.id, i, now() - i * interval '1 second'
FROM specimens s CROSS JOIN generate_series(1, %(each)s) AS i WHERE s.organization_id = %(organization)s
"""


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        told = {"organization": made.organization_id, "owner": made.user.id, "wholes": WHOLES, "each": PARTS // WHOLES}
        async with made.database.system() as tx:
            await tx.execute(FILL, told)
            await tx.execute(FILL_PIECES, told)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("ANALYZE specimen.specimens; ANALYZE specimen.pieces")
        yield made


async def test_a_page_for_each_of_many_rows_reads_little_more_than_it_shows(bench: Workbench) -> None:
    """One statement: for every row the index is entered once, and left when the page is full."""
    request = message("ListSpecimensRequest")(page_size=50, include=["pieces(page_size=3)"])
    context = bench.context(bench.user, "ListSpecimens")
    page = Page(spec_of(Specimen), context, request, "/list", bench.engine.seal)
    async with bench.database.tenant(bench.organization_id) as tx:
        keys = [row["id"] for row in (await tx.fetch(*page.statement()))[:50]]
    (edge,) = edges_of(spec_of(Specimen), context, request, alone=False)
    plan = await planned(bench, *edge.statement(keys))
    (scan,) = [node for node in plan if node.get("Relation Name") == "pieces"]
    assert scan["Node Type"] == "Index Scan" and scan["Actual Loops"] == 50
    # Rows of one time are sorted by id in batches of 32.
    assert scan["Actual Rows"] < 40 < PARTS // WHOLES


async def test_whether_there_is_one_is_asked_of_an_index(bench: Workbench) -> None:
    """Of the rows that belong to the one row, no others are looked at."""
    context = bench.context(bench.user, "ListSpecimens")
    async with bench.database.tenant(bench.organization_id) as tx:
        one = await tx.fetch_one("SELECT id FROM specimens LIMIT 1")
    assert one is not None
    for text in ("pieces:*", "pieces.small = 7", "NOT pieces.small = 7000", "pieces.specimen.name:*"):
        request = message("ListSpecimensRequest")(filter=f'id = "{one["id"]}" AND {text}')
        page = Page(spec_of(Specimen), context, request, "/list", bench.engine.seal)
        plan = await planned(bench, *page.statement())
        assert plan[0]["Actual Rows"] == 1
        assert not any(n["Node Type"] == "Seq Scan" and n.get("Relation Name") == "pieces" for n in plan)
        assert sum(n["Actual Rows"] for n in plan if n.get("Relation Name") == "pieces") <= PARTS // WHOLES
