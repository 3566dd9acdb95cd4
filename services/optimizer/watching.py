"""Watching a run: replay what was missed, then the live tail, until the run has ended and all was told."""

import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    WatchOptimizationRunRequest,
    WatchOptimizationRunResponse,
)
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.events.hub import Found
from framework.resource import action
from framework.storage import Database
from services.optimizer import story
from services.optimizer.resources import ENDED, OptimizationRun
from services.optimizer.watched import Watched

HEARTBEAT_SECONDS = 15.0
VISIBILITY_SECONDS = 25.0
_VERB = "WatchOptimizationRun"
_Frame = WatchOptimizationRunResponse


@action(OptimizationRun, _VERB)
async def watch(call: Call, request: WatchOptimizationRunRequest) -> AsyncIterator[_Frame | bytes]:
    """Yields the run's events after a number, heartbeats while nothing happens, and the end; a paused run has no end.

    Events come as bytes, made once for all who watch. Raises NotFound at the start, or later when the caller may no
    longer see the run, and Unauthenticated once the caller's key or role is lost.
    """
    run, after = await key_of(call, request.id, _VERB), request.from_sequence
    watched: Watched = call.application.watched
    async with watched.following(call.engine, run, after, partial(_look, call.engine.database, run)) as (hub, follower):
        looked = spoken = time.monotonic()
        while True:
            told = hub.held(follower.after)
            if told is None:  # those who are as far behind read together
                behind = (run["organization_id"], run["id"], follower.after)
                told = (await watched.together(behind, partial(hub.read, follower.after))).frames
            for number, frame in told:
                yield frame
                follower.after, spoken = number, time.monotonic()
            if not told:
                call.engine.revocations.check(call.context)  # a frame is asked about by the engine
            elif follower.after < hub.latest:
                continue
            if hub.ended:
                yield _Frame(end=End(status=Status()))
                return
            if (now := time.monotonic()) >= spoken + HEARTBEAT_SECONDS:
                spoken = now
                yield _Frame(heartbeat=Heartbeat(sequence=follower.after))
            if now >= looked + VISIBILITY_SECONDS:
                seen = partial(key_of, call, request.id, _VERB)
                looked = await watched.decided(run, call.actor, VISIBILITY_SECONDS, seen)
            await hub.wait(follower, min(spoken + HEARTBEAT_SECONDS, looked + VISIBILITY_SECONDS))


async def key_of(call: Call, identifier: str, verb: str) -> dict[str, Any]:
    """Returns the key of a run that the caller may follow, and how far its story was: no stream has its whole row."""
    run = await call.row(OptimizationRun, identifier, verb)
    return {name: run[name] for name in ("organization_id", "id", "last_sequence")}


async def _look(database: Database, run: Mapping[str, Any], after: int) -> Found:
    """Returns the next events as frames, for all who may see the run, and whether it has ended.

    The status is read first: what ended the run is among the events, or comes with the next look.
    """
    async with database.tenant(run["organization_id"]) as tx:
        state = await tx.fetch_one(
            "SELECT status FROM optimization_runs WHERE organization_id = %(organization_id)s AND id = %(id)s", run
        )
        events = await story.read(tx, run, after)
    made = [(event.sequence, _Frame(item=event).SerializeToString()) for event in events]
    more = len(made) == story.BATCH
    return Found(made, more, not more and (state is None or state["status"] in ENDED))
