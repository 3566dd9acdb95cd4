"""Many watchers of one run over the wire: one story for all, whoever comes late, reads slowly or loses their key."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ashgrove.event.v1.event_pb2 import Event
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import CancelOptimizationRunRequest
from grpc import aio

from framework.events.hub import KEPT
from framework.testing.refusals import Refused
from framework.testing.serving import Caller, Served, served
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from tests.integration.optimizer.books import started

_TOLD = 2_000
# So much that no buffer between the service and a slow reader holds it all.
_MANY = """
WITH run AS (UPDATE optimization_runs SET last_sequence = last_sequence + %(count)s WHERE id = %(id)s RETURNING *)
INSERT INTO run_events (organization_id, run_id, sequence, status, event)
SELECT organization_id, id, last_sequence - %(count)s + n, 'STATUS_RUNNING',
       jsonb_build_object('type', 'TYPE_TRIAL_PROGRESSED', 'error', repeat('x', 1000))
FROM run, generate_series(1, %(count)s) AS n
"""


@pytest.fixture
async def service(bench: Workbench) -> AsyncIterator[Served]:
    """The optimizer behind a port."""
    async with served(bench) as running:
        yield running


def watched_by(caller: Caller, row: dict[str, Any], after: int = 0) -> AsyncIterator[Any]:
    return caller.stream("WatchOptimizationRun", id=str(row["id"]), from_sequence=after)


async def heard(frames: AsyncIterator[Any]) -> list[Any]:
    """Returns the numbers of a story that was heard to its end, and the kinds of frames besides."""
    whole = [frame async for frame in frames if not frame.HasField("heartbeat")]
    return [frame.item.sequence if frame.HasField("item") else "end" for frame in whole]


async def tell(bench: Workbench, row: dict[str, Any], count: int) -> None:
    async with bench.database.system() as tx:
        await tx.execute(_MANY, {"id": row["id"], "count": count})


async def follow(bench: Workbench, count: int) -> None:
    async def all_do() -> bool:
        return sum(len(hub.followers) for hub in bench.engine.hubs) == count

    await until(all_do)


def _narrow(service: Served) -> aio.Channel:
    """Returns a channel whose window for a stream does not grow with what comes."""
    options = [("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1)]
    return aio.insecure_channel(f"127.0.0.1:{service.port}", options)


async def test_a_slow_reader_hears_all_and_holds_up_nobody(bench: Workbench, service: Served) -> None:
    """Others are at the end while it has read one frame; of what it has still to hear only the latest is in memory."""
    row, caller = await started(bench), service.as_actor(bench.user)
    async with _narrow(service) as channel:
        slow = watched_by(Caller(channel, bench.registry, bench.user, service.issuer.token(bench.user)), row)
        beginning = asyncio.ensure_future(anext(slow))
        quick = [asyncio.ensure_future(heard(watched_by(caller, row))) for _ in range(20)]
        await follow(bench, 21)
        await tell(bench, row, _TOLD)
        first = await beginning
        await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
        story = [*range(1, _TOLD + 2), "end"]
        assert await asyncio.gather(*quick) == [story] * 20
        (hub,) = bench.engine.hubs
        (follower,) = hub.followers
        assert follower.after < _TOLD - KEPT and hub.held(follower.after) is None
        assert [first.item.sequence, *await heard(slow)] == story


async def test_who_comes_late_hears_what_they_missed_and_then_what_all_hear(bench: Workbench, service: Served) -> None:
    """From wherever they say; nobody else has looked for what they missed."""
    row, caller = await started(bench), service.as_actor(bench.user)
    await tell(bench, row, 50)
    places = (0, 7, 49, 50)
    watching = [asyncio.ensure_future(heard(watched_by(caller, row, place))) for place in places]
    await follow(bench, len(places))
    await tell(bench, row, 3)
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    assert await asyncio.gather(*watching) == [[*range(place + 1, 55), "end"] for place in places]
    assert await heard(watched_by(caller, row, 54)) == ["end"]


async def test_of_many_watchers_only_whose_key_is_revoked_are_cut_off(bench: Workbench, service: Served) -> None:
    """At once, though nothing is told of the run; the others watch on, to its end."""
    row = await started(bench)
    losing, keeping = (service.as_actor(who) for who in (bench.user, bench.admin))
    cut = [asyncio.ensure_future(heard(watched_by(losing, row))) for _ in range(5)]
    kept = [asyncio.ensure_future(heard(watched_by(keeping, row))) for _ in range(5)]
    await follow(bench, 10)
    revoked = Event(type="api_key.updated", outcome="OK", resource_type="api_key", changed_paths=["revoked_at"])
    revoked.resource_id = bench.user.credential_id
    assert bench.engine.revocations.note(revoked)
    bench.engine.end_streams()
    for each in cut:
        with pytest.raises(Refused) as caught:
            await each
        assert caught.value.reason == "CREDENTIAL_REFUSED"
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])), bench.admin)
    assert await asyncio.gather(*kept) == [[1, "end"]] * 5


async def test_a_run_that_nobody_watches_any_more_is_not_looked_at(bench: Workbench, service: Served) -> None:
    """What was held of it is gone with the last who left."""
    row, caller = await started(bench), service.as_actor(bench.user)
    await tell(bench, row, 1)
    frames = watched_by(caller, row)
    assert (await anext(frames)).item.sequence == 1
    assert bench.engine.hubs
    await frames.aclose()  # type: ignore[attr-defined]

    async def forgotten() -> bool:
        return not bench.engine.hubs and not bench.engine.application.watched._watchers

    await until(forgotten)
