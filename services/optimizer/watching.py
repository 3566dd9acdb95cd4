"""Watching a run: replay what was missed, then the live tail, until the run has ended and all was told."""

import time
from collections.abc import AsyncIterator

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.optimizer.v1 import optimizer_service_pb2 as pb
from google.rpc.status_pb2 import Status

from framework.engine import Call
from services.optimizer import story
from services.optimizer.resources import ENDED, OptimizationRun

HEARTBEAT_SECONDS = 15.0
VISIBILITY_SECONDS = 25.0
_LOOK_SECONDS = 1.0
_VERB = "WatchOptimizationRun"
_Frame = pb.WatchOptimizationRunResponse


async def frames(call: Call, identifier: str, after: int) -> AsyncIterator[_Frame]:
    """Yields the run's events after a number, heartbeats while nothing happens, and the end.

    Raises NotFound at the start, or later when the caller may no longer see the run.
    """
    run = await call.row(OptimizationRun, identifier, _VERB)
    looked = spoken = time.monotonic()
    while True:
        async with call.transaction() as tx:
            state = await tx.fetch_one(
                "SELECT status FROM optimization_runs WHERE organization_id = %(organization)s AND id = %(id)s",
                {"organization": run["organization_id"], "id": run["id"]},
            )
            events = await story.read(tx, run, after)
        for event in events:
            after, spoken = event.sequence, time.monotonic()
            yield _Frame(item=event)
        # The status was read before the events: what ended it is among them, or comes with the next look.
        if not events and (state is None or state["status"] in ENDED):
            yield _Frame(end=End(status=Status()))
            return
        if time.monotonic() - spoken > HEARTBEAT_SECONDS:
            spoken = time.monotonic()
            yield _Frame(heartbeat=Heartbeat(sequence=after))
        if time.monotonic() - looked > VISIBILITY_SECONDS:
            looked = time.monotonic()
            await call.row(OptimizationRun, identifier, _VERB)
        if not events:
            await call.engine.hints.wait(story.topic(identifier), _LOOK_SECONDS)
