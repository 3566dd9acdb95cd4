"""Hints that nobody waits for: every topic is heard, however often it was told meanwhile."""

import asyncio

from framework.events.hints import Hints
from framework.tasks import stopped
from framework.testing.waiting import until


async def _listening(hints: Hints) -> None:
    async def alive() -> bool:
        return hints.alive

    await until(alive)


async def test_topics_told_in_a_row_are_each_heard_and_told_no_more_often_than_needed(valkey_url: str) -> None:
    """A hundred times two topics leave as a few hints, the last of them behind the last telling."""
    hints, left = Hints(valkey_url), list[str]()
    publish = hints.publish

    async def counted(topic: str) -> None:
        left.append(topic)
        await publish(topic)

    hints.publish = counted  # type: ignore[method-assign]
    listening = asyncio.create_task(hints.run())
    await _listening(hints)
    heard = {topic: asyncio.Event() for topic in ("a", "b")}
    with hints.bound("a", heard["a"]), hints.bound("b", heard["b"]):
        for _ in range(100):
            hints.soon("a")
            hints.soon("b")
        await asyncio.gather(*(event.wait() for event in heard.values()))
    await hints.close()
    assert sorted(left) == ["a", "b"]
    await stopped([listening])


async def test_what_was_told_has_left_when_the_hints_are_closed(valkey_url: str) -> None:
    """A process that ends hints at what it has committed."""
    ours, theirs = Hints(valkey_url), Hints(valkey_url)
    listening = asyncio.create_task(theirs.run())
    await _listening(theirs)
    with theirs.bound("a", heard := asyncio.Event()):
        ours.soon("a")
        await ours.close()
        await heard.wait()
    await stopped([listening])
    await theirs.close()
