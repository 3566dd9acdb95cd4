"""A story that many follow: one reading for all, in order, whoever is slow; nobody sleeps through anything."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from framework.events.hub import KEPT, Follower, Found, Hub

FAR = 3600.0


class Told:
    """A story that grows, and what was asked of it."""

    def __init__(self, batch: int = 1000) -> None:
        self.events: list[bytes] = []
        self.ended = False
        self.asked: list[int] = []
        self.batch = batch
        self.begun = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self, after: int) -> Found:
        """Answers as a service does that reads its table."""
        self.asked.append(after)
        self.begun.set()
        last, ended = len(self.events), self.ended
        await self.may_answer.wait()
        frames = [(n, self.events[n - 1]) for n in range(after + 1, min(last, after + self.batch) + 1)]
        more = after + self.batch < last
        return Found(frames, more, ended and not more)

    def tell(self, count: int = 1) -> None:
        """Adds events."""
        self.events += [b"%d" % (len(self.events) + n) for n in range(1, count + 1)]


async def follow(hub: Hub, follower: Follower, until: int) -> Sequence[int]:
    """Follows as a stream does; returns the numbers that it sent."""
    sent = []
    while follower.after < until:
        for number, frame in hub.held(follower.after) or ():
            assert frame == b"%d" % number
            sent.append(number)
            follower.after = number
        if follower.after < until:
            await hub.wait(follower, time.monotonic() + FAR)
    return sent


async def test_one_look_is_for_all_who_follow() -> None:
    """However many there are, what is new is read once, and every one hears all of it in order."""
    told = Told()
    hub = Hub(told.read, 0)
    followers = [Follower(0) for _ in range(100)]
    hub.followers.update(followers)
    following = [asyncio.create_task(follow(hub, each, 5)) for each in followers]
    for count in (2, 3):
        told.tell(count)
        await hub.look()
    assert await asyncio.gather(*following) == [[1, 2, 3, 4, 5]] * 100
    assert told.asked == [0, 2]


async def test_nobody_joins_a_look_that_has_begun() -> None:
    """What was committed before somebody asked is in what they are told; all who ask meanwhile share the next look."""
    told = Told()
    hub = Hub(told.read, 0)
    told.may_answer.clear()
    first = asyncio.create_task(hub.look())
    await told.begun.wait()
    told.tell()
    later = [asyncio.create_task(hub.look()) for _ in range(3)]
    await asyncio.sleep(0)
    told.may_answer.set()
    await asyncio.gather(first, *later)
    assert (hub.latest, told.asked) == (1, [0, 0])


async def test_who_leaves_takes_the_look_from_nobody() -> None:
    """A look goes on though whoever began it has gone."""
    told = Told()
    told.tell()
    hub = Hub(told.read, 0)
    told.may_answer.clear()
    leaving, staying = asyncio.create_task(hub.look()), asyncio.create_task(hub.look())
    await told.begun.wait()
    leaving.cancel()
    told.may_answer.set()
    await staying
    assert leaving.cancelled() and hub.latest == 1


async def test_memory_is_bounded_and_says_what_it_does_not_reach() -> None:
    """One who is far behind reads for themselves; the others are given what is held, from wherever they stand."""
    told = Told()
    hub = Hub(told.read, 0)
    told.tell(KEPT + 10)
    await hub.look()
    assert hub.held(9) is None
    assert [number for number, _ in hub.held(10) or ()] == list(range(11, KEPT + 11))
    assert hub.held(hub.latest) == () == hub.held(hub.latest + 5)


async def test_a_look_says_whether_more_waits() -> None:
    """A story of many batches is not ended before the last of them."""
    told = Told(batch=2)
    told.tell(3)
    told.ended = True
    hub = Hub(told.read, 0)
    assert await hub.look() and not hub.ended
    assert not await hub.look() and hub.ended
    assert hub.latest == 3


async def test_a_stir_between_two_waits_is_not_slept_through() -> None:
    """Who was not waiting yet is woken when they come to wait, and only once."""
    hub = Hub(Told().read, 0)
    with hub.followed(0) as follower:
        hub.stir()
        await hub.wait(follower, time.monotonic() + FAR)
        waiting = asyncio.create_task(hub.wait(follower, time.monotonic() + FAR))
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.stir()
        await waiting


async def test_everybody_is_woken_when_they_are_due() -> None:
    """Whoever wants to be woken sooner than all before them is; nobody is woken before their time."""
    hub = Hub(Told().read, 0)
    with hub.followed(0) as late, hub.followed(0) as soon, hub.followed(0) as never:
        dues = {late: time.monotonic() + 0.3, soon: time.monotonic() + 0.1, never: time.monotonic() + FAR}
        woken = []

        async def one(follower: Follower) -> None:
            await hub.wait(follower, dues[follower])
            assert time.monotonic() >= dues[follower]
            woken.append(follower)

        waiting = {each: asyncio.create_task(one(each)) for each in dues}
        await asyncio.gather(waiting[late], waiting[soon])
        assert set(woken) == {soon, late}
        waiting[never].cancel()


async def test_what_ended_the_looking_is_told_to_everybody() -> None:
    """Nobody waits for what nobody reads any more."""
    hub = Hub(Told().read, 0)
    with hub.followed(0) as one, hub.followed(0) as other:
        waiting = [asyncio.create_task(hub.wait(each, time.monotonic() + FAR)) for each in (one, other)]
        await asyncio.sleep(0)
        hub.fail(ConnectionError("no database"))
        for each in waiting:
            with pytest.raises(ConnectionError):
                await each
