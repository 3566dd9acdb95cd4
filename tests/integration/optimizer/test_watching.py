"""Watching runs: replay in any length, signs of life, and visibility that is decided again and again."""

import asyncio
import math
from typing import Any

import pytest
from ashgrove.event.v1.event_pb2 import Event
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CancelOptimizationRunRequest,
    PauseOptimizationRunRequest,
    WatchOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from framework.call import Actor
from framework.engine import dispatch
from framework.errors import DependencyUnavailable, NotFound, Unauthenticated
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.optimizer import watching
from services.optimizer.access import project
from services.optimizer.watched import Watched
from tests.integration.optimizer.books import claimed, ledger, started

Kind = RunEvent

_MANY = """
INSERT INTO run_events (organization_id, run_id, sequence, status, event)
SELECT organization_id, id, n, 'STATUS_RUNNING', '{"type": "TYPE_TRIAL_PROGRESSED"}' FROM optimization_runs,
       generate_series(1, 10000) AS n WHERE id = %(id)s
"""


def watch(bench: Workbench, row: dict[str, Any], after: int = 0, actor: Actor | None = None) -> Any:
    request = WatchOptimizationRunRequest(id=str(row["id"]), from_sequence=after)
    return bench.frames("WatchOptimizationRun", request, actor)


async def test_ten_thousand_missed_events_are_replayed_in_order(bench: Workbench) -> None:
    """Whole, from any place, without a gap, and then the end of the run."""
    row = await started(bench)
    async with bench.database.system() as tx:
        await tx.execute(_MANY, row)
        await tx.execute("UPDATE optimization_runs SET last_sequence = 10000 WHERE id = %(id)s", row)
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    frames = [f async for f in watch(bench, row)]
    assert [f.item.sequence for f in frames[:-1]] == list(range(1, 10_002)) and frames[-1].HasField("end")
    assert [f.item.sequence async for f in watch(bench, row, 9_999)][:-1] == [10_000, 10_001]


async def test_a_watch_goes_on_live_until_the_run_has_ended(bench: Workbench) -> None:
    """X-70: started is told when a worker starts it, not before; each event carries the state it was told with."""
    row = await started(bench)
    watching_it = asyncio.ensure_future(_collected(watch(bench, row)))
    books = ledger(bench, await claimed(bench, row))
    await books.start()
    await books.complete("END_REASON_TRIALS")
    frames = await watching_it
    told = [(f.item.type, f.item.status) for f in frames if f.HasField("item")]
    assert told == [
        (RunEvent.TYPE_RUN_STARTED, run_pb.OptimizationRun.STATUS_RUNNING),
        (RunEvent.TYPE_RUN_ENDED, run_pb.OptimizationRun.STATUS_COMPLETED),
    ]


async def _collected(frames: Any) -> list[Any]:
    return [frame async for frame in frames]


async def test_silence_is_broken_by_heartbeats(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat says how far the watcher is."""
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.0)
    frames = watch(bench, await started(bench))
    first = await anext(frames)
    assert first.WhichOneof("frame") == "heartbeat" and first.heartbeat.sequence == 0
    await frames.aclose()


async def test_a_watcher_who_may_no_longer_see_the_run_is_told_so(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-73: visibility is decided again while the stream is open."""
    monkeypatch.setattr(watching, "VISIBILITY_SECONDS", 0.0)
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.0)
    row = await started(bench)
    await _show(bench, row, 1, "VISIBILITY_PUBLIC")
    frames = watch(bench, row, actor=bench.colleague)
    await anext(frames)
    await _show(bench, row, 2, "VISIBILITY_PRIVATE")
    with pytest.raises(NotFound):
        async for _ in frames:
            pass


async def test_a_watch_ends_at_once_when_its_key_is_revoked(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only at the next sign of life, which does not come here."""
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", math.inf)
    monkeypatch.setattr(watching, "VISIBILITY_SECONDS", 3600.0)
    row = await started(bench)
    following = asyncio.ensure_future(anext(watch(bench, row)))
    await until(lambda: _all_wait(bench, 1))
    revoked = Event(type="api_key.updated", outcome="OK", resource_type="api_key", changed_paths=["revoked_at"])
    revoked.resource_id = bench.user.credential_id
    assert bench.engine.revocations.note(revoked)
    bench.engine.end_streams()
    with pytest.raises(Unauthenticated):
        await following


async def _show(bench: Workbench, row: dict[str, Any], sequence: int, visibility: str) -> None:
    event = Event(sequence=sequence, resource_type="program", outcome="OK")
    event.organization_id, event.resource_id = str(row["organization_id"]), str(row["program_id"])
    event.data.update({"owner_id": bench.user.id, "visibility": visibility})
    async with bench.database.system() as tx:
        await project(tx, event)


async def test_however_many_watch_one_look_a_moment_is_taken_for_all(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watcher asks the database only when there is something to read; and what comes reaches every one of them."""
    rows = [await started(bench), await started(bench)]
    looks, rounds = [0], asyncio.Semaphore(0)
    look, learn = watching._look, Watched._learn

    async def counted(*arguments: Any) -> Any:
        looks[0] += 1
        return await look(*arguments)

    async def learned(*arguments: Any) -> None:
        await learn(*arguments)
        rounds.release()

    monkeypatch.setattr(watching, "_look", counted)
    monkeypatch.setattr(Watched, "_learn", learned)
    watchers = [asyncio.ensure_future(_collected(watch(bench, row))) for row in rows for _ in range(10)]
    await until(lambda: _all_wait(bench, 20))
    assert 2 <= (settled := looks[0]) <= 20
    for _ in range(3):
        await rounds.acquire()
    assert looks[0] == settled
    for row in rows:
        await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    stories = [[f.WhichOneof("frame") for f in frames] for frames in await asyncio.gather(*watchers)]
    assert stories == [["item", "end"]] * 20
    assert not bench.engine.application.watched._watchers


async def test_a_paused_run_is_watched_on(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-72: a pause is told and is no end: the same watch sees how the run goes on."""
    row = await started(bench)
    frames = watch(bench, row)
    await bench.do("PauseOptimizationRun", PauseOptimizationRunRequest(id=str(row["id"])))
    first = await anext(frames)
    assert (first.item.type, first.item.status) == (Kind.TYPE_RUN_PAUSED, run_pb.OptimizationRun.STATUS_PAUSED)
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.0)
    assert (await anext(frames)).HasField("heartbeat")
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    rest = [f for f in await _collected(frames) if not f.HasField("heartbeat")]
    assert [f.WhichOneof("frame") for f in rest] == ["item", "end"] and rest[0].item.type == Kind.TYPE_RUN_ENDED


async def test_watchers_who_know_as_much_share_one_look(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each hears everything; however many they are, an event is read once."""
    row, read, looks = await started(bench), watching.story.read, 0

    async def counted(*asked: Any) -> Any:
        nonlocal looks
        looks += 1
        return await read(*asked)

    monkeypatch.setattr(watching.story, "read", counted)
    watchers = [asyncio.ensure_future(_collected(watch(bench, row))) for _ in range(40)]
    await until(lambda: _all_wait(bench, 40))
    before = looks
    books = ledger(bench, await claimed(bench, row))
    await books.start()
    await books.complete("END_REASON_TRIALS")
    told = [[f.item.sequence for f in await each][:-1] for each in watchers]
    assert told == [[1, 2]] * 40
    assert looks - before < 40, "by themselves they would look twice each, and once more for the end"


async def test_a_look_that_fails_ends_its_streams_and_who_comes_back_begins_anew(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for what nobody reads any more; nothing of the failure stays."""
    row = await started(bench)
    watchers = [asyncio.ensure_future(_collected(watch(bench, row))) for _ in range(3)]
    await until(lambda: _all_wait(bench, 3))

    async def away(*_: Any) -> Any:
        raise DependencyUnavailable("database")

    with monkeypatch.context() as patched:
        patched.setattr(watching.story, "read", away)
        await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
        for each in watchers:
            with pytest.raises(DependencyUnavailable):
                await each
    assert [f.WhichOneof("frame") for f in await _collected(watch(bench, row))] == ["item", "end"]
    assert not bench.engine.hubs


async def test_what_is_made_for_all_may_hold_nothing_that_is_kept_from_somebody(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method whose answers a field policy guards cannot send one frame to all: that is a fault, and shows nothing."""
    row = await started(bench)
    await bench.do("PauseOptimizationRun", PauseOptimizationRunRequest(id=str(row["id"])))
    monkeypatch.setattr(dispatch, "conceals", lambda *_: True)
    with pytest.raises(AssertionError, match="WatchOptimizationRun sends to all what some may not see"):
        await anext(watch(bench, row))


async def _all_wait(bench: Workbench, count: int) -> bool:
    """Tells whether so many have seen what there is, and wait for more."""
    followers = [follower for hub in bench.engine.hubs for follower in hub.followers]
    return sum(follower.waits for follower in followers) == count
