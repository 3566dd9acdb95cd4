"""Listens to auth's feed for what ends streams: from now on, each process for itself, without a stored cursor."""

import asyncio
import logging

from ashgrove.event.v1 import event_feed_service_pb2 as pb

from framework.engine import Engine
from framework.errors import Failure, PositionGone
from framework.events.tail import Source

_LOOK_SECONDS = 5.0
_log = logging.getLogger(__name__)


async def follow_revocations(source: Source, engine: Engine) -> None:
    """Keeps the engine's revocations current until cancelled; a feed that broke off is taken up where it broke."""
    request = pb.TailRequest(live=True)
    while True:
        try:
            async for frame in source.tail(request):
                engine.revocations.heard()
                kind = frame.WhichOneof("frame")
                request = pb.TailRequest(from_sequence=getattr(frame, kind).sequence) if kind else request
                if kind == "item" and engine.revocations.note(frame.item):
                    engine.end_streams()
        except PositionGone:
            request = pb.TailRequest(live=True)
        except Failure as failure:
            _log.warning("auth's feed broke off, tokens hold until they end: %s", failure)
        await asyncio.sleep(1.0)


async def follow_own(engine: Engine) -> None:
    """Does the same for auth itself, whose own feed it is."""
    position = engine.recent.latest
    while True:
        await engine.recent.beyond(position, _LOOK_SECONDS)
        try:
            events, position = await engine.recent.after(position)
        except Failure:
            continue
        engine.revocations.heard()
        if sum(map(engine.revocations.note, events)):
            engine.end_streams()
