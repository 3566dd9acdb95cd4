"""Bells wake as many as there is work."""

import asyncio

from services.program.waking import Bell


async def waiting(bell: Bell, count: int) -> list["asyncio.Task[None]"]:
    """Returns so many who wait."""
    tasks = [asyncio.create_task(bell.heard()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def woken(tasks: list["asyncio.Task[None]"]) -> int:
    """Returns how many do not wait any more; the others are sent away."""
    await asyncio.sleep(0)
    found = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def test_one_piece_of_work_wakes_one_and_nobody_told_wakes_all() -> None:
    for count, expected in ((1, 1), (2, 2), (9, 3), (None, 3)):
        bell = Bell(3)
        tasks = await waiting(bell, 3)
        bell.ring(count)
        assert await woken(tasks) == expected


async def test_a_ring_that_nobody_heard_is_heard_by_the_next() -> None:
    """As often as it rang, and never more often than there are lanes."""
    bell = Bell(2)
    bell.ring(1)
    bell.ring(5)
    assert await woken(await waiting(bell, 3)) == 2
    assert await woken(await waiting(bell, 1)) == 0


async def test_whoever_left_takes_no_ring_along() -> None:
    bell = Bell(2)
    gone = await waiting(bell, 1)
    assert await woken(gone) == 0
    (there,) = await waiting(bell, 1)
    bell.ring(1)
    assert await woken([there]) == 1
