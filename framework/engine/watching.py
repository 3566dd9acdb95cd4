"""Watching a collection: what changes in the list that the caller may see, replayed from a position, then live."""

import time
from collections.abc import AsyncIterator
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.resource.v1.watch_pb2 import WatchRequest, WatchResponse

from framework.engine.calls import Call
from framework.engine.changes import coalesced
from framework.engine.views import View
from framework.errors import Failure, FieldViolation, InvalidFields
from framework.events.recent import last
from framework.resource import MethodSpec

HEARTBEAT_SECONDS = 15.0
DECIDE_SECONDS = 25.0
"""How often what was shown is looked at again: what may be seen also depends on what no event of this service tells."""


async def watch(call: Call, request: WatchRequest, method: MethodSpec) -> AsyncIterator[WatchResponse]:
    """Yields a heartbeat with the position, the changes after it, heartbeats while nothing happens, and why it ended.

    Nobody has a queue: a watcher that is slow reads on where it stands, and gets what has changed since, once each.
    """
    view = View(call, method.resource, request)
    now = await _now(call)
    position = request.from_sequence if request.HasField("from_sequence") else now
    if position > now:
        raise InvalidFields(FieldViolation("from_sequence", f"is beyond event {now}, the latest: list again"))
    # Before the first frame, so that what cannot begin is refused as any other call.
    events, reached = await call.engine.recent.after(position, call.actor.organization_id)
    items = await view.items(coalesced(events))
    yield WatchResponse(heartbeat=Heartbeat(sequence=position))
    try:
        async for frame in _frames(call, view, items, reached):
            yield frame
    except Failure as failure:
        yield WatchResponse(end=End(status=failure.status()))


async def _frames(call: Call, view: View, items: list[Any], position: int) -> AsyncIterator[WatchResponse]:
    recent, revocations = call.engine.recent, call.engine.revocations
    spoken = decided = time.monotonic()
    while True:
        revocations.check(call.context)
        for item in items:
            yield WatchResponse(item=item)
            spoken = time.monotonic()
        if time.monotonic() - spoken >= HEARTBEAT_SECONDS:
            spoken = time.monotonic()
            yield WatchResponse(heartbeat=Heartbeat(sequence=position))
        due = min(spoken + HEARTBEAT_SECONDS, decided + DECIDE_SECONDS) - time.monotonic()
        position = await recent.beyond(position, max(0.0, due), view.kinds, call.actor.organization_id)
        revocations.check(call.context)
        events, reached = await recent.after(position, call.actor.organization_id)
        items = await view.items(coalesced(events))
        if time.monotonic() - decided >= DECIDE_SECONDS:
            decided = time.monotonic()
            items += await view.lost(reached)
        position = reached


async def _now(call: Call) -> int:
    async with call.database.system() as tx:
        return await last(tx)
