"""Whole collections as a stream: page after page as `List` reads them, each in a short transaction of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.resource.v1.export_pb2 import ExportItem, ExportResponse
from google.rpc.status_pb2 import Status

from framework.engine.calls import Call
from framework.engine.paging import Page
from framework.engine.telling import exported
from framework.resource import MethodSpec
from framework.tasks import stopped

HEARTBEAT_SECONDS = 15.0
FIRST_PAGE = 100
LARGEST_PAGE = 1000
# A page is held in memory once: rows may be small or hold large JSON.
_PAGE_BYTES = 2 * 2**20


async def export(call: Call, request: Any, *, method: MethodSpec) -> AsyncIterator[ExportResponse]:
    """Yields every row that the caller may list, heartbeats while the database thinks, and the end.

    That somebody takes it all is told before anything is sent. A reader that is slow holds the next page back: nothing
    is fetched before it is wanted.
    """
    page = Page(method.resource, call.context, request, method.path, call.engine.seal, "resume_token", FIRST_PAGE)
    async with call.transaction() as tx:
        await tx.record(exported(method, call.context, request))
    sent, last = 0, False
    while not last:
        reading = asyncio.create_task(_read(call, page))
        try:
            while not (await asyncio.wait({reading}, timeout=HEARTBEAT_SECONDS))[0]:
                yield ExportResponse(heartbeat=Heartbeat(sequence=sent))
            items, last = reading.result()
        finally:
            await stopped([reading])
        for item in items:
            yield ExportResponse(item=item)
        sent += len(items)
    yield ExportResponse(end=End(status=Status()))


async def _read(call: Call, page: Page) -> tuple[list[ExportItem], bool]:
    """Returns a page and whether it is the last; the next one begins after it, and is as large as its rows allow."""
    rows = await call.reads().fetch(*page.statement())
    found = rows[: page.size]
    items = [ExportItem(resume_token=page.token(row)) for row in found]
    for item, message in zip(items, await page.selection.messages(call, found), strict=True):
        item.resource.Pack(message)
    last = len(rows) <= page.size
    if items:
        page.begins = items[-1].resume_token
        page.size = _fitting(sum(item.ByteSize() for item in items) // len(items))
    return items, last


def _fitting(row_bytes: int) -> int:
    """Returns how many rows of a size make a page."""
    return max(1, min(LARGEST_PAGE, _PAGE_BYTES // max(row_bytes, 1)))
