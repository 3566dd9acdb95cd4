"""Watching a run: replay what was missed, then the live tail, until the run has ended and all was told."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    WatchOptimizationRunRequest,
    WatchOptimizationRunResponse,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.resource import action
from framework.storage import Database
from services.optimizer import story
from services.optimizer.resources import ENDED, OptimizationRun
from services.optimizer.watched import Watched

HEARTBEAT_SECONDS = 15.0
VISIBILITY_SECONDS = 25.0
# What is due is due for certain when the wait is over.
_SLACK_SECONDS = 0.01
_VERB = "WatchOptimizationRun"
_Frame = WatchOptimizationRunResponse


@action(OptimizationRun, _VERB)
async def watch(call: Call, request: WatchOptimizationRunRequest) -> AsyncIterator[_Frame]:
    """Yields the run's events after a number, heartbeats while nothing happens, and the end; a paused run has no end.

    Raises NotFound at the start, or later when the caller may no longer see the run, and Unauthenticated once the
    caller's key or role is lost.
    """
    run, after = await key_of(call, request.id, _VERB), request.from_sequence
    watched: Watched = call.application.watched
    async with watched.watching(call.engine, run) as heard:
        looked = spoken = time.monotonic()
        heard.after = after
        while True:
            heard.clear()  # what is told from here on is looked for again
            look = partial(_look, call.engine.database, run, after)
            ended, events = await watched.together((run["organization_id"], run["id"], after), look)
            for event in events:
                after, spoken = event.sequence, time.monotonic()
                yield _Frame(item=event)
                heard.after = after
            if not events and ended:
                yield _Frame(end=End(status=Status()))
                return
            if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                spoken = time.monotonic()
                yield _Frame(heartbeat=Heartbeat(sequence=after))
            if time.monotonic() - looked > VISIBILITY_SECONDS:
                seen = partial(key_of, call, request.id, _VERB)
                looked = await watched.decided(run, call.actor, VISIBILITY_SECONDS, seen)
            if not ended and len(events) < story.BATCH:
                due = min(spoken + HEARTBEAT_SECONDS, looked + VISIBILITY_SECONDS) - time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(due, 0.0) + _SLACK_SECONDS):
                        await heard.wait()
            call.engine.revocations.check(call.context)


async def key_of(call: Call, identifier: str, verb: str) -> dict[str, Any]:
    """Returns the key of a run that the caller may follow: ten thousand streams have its row no longer than this."""
    run = await call.row(OptimizationRun, identifier, verb)
    return {name: run[name] for name in ("organization_id", "id")}


async def _look(database: Database, run: Mapping[str, Any], after: int) -> tuple[bool, list[RunEvent]]:
    """Returns whether the run has ended, and the next events, for all who may see it and know as much.

    The status is read first: what ended the run is among the events, or comes with the next look.
    """
    async with database.tenant(run["organization_id"]) as tx:
        state = await tx.fetch_one(
            "SELECT status FROM optimization_runs WHERE organization_id = %(organization_id)s AND id = %(id)s", run
        )
        return state is None or state["status"] in ENDED, await story.read(tx, run, after)
