"""Tasks that are told to end have ended."""

import asyncio
from contextlib import suppress

import pytest

from framework.tasks import stopped, together


async def deaf() -> None:
    """Takes no notice of the first cancellation, like a library that waits with Python 3.11's `wait_for`."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(3600)


async def failing() -> None:
    await asyncio.sleep(0)
    raise ValueError


async def test_a_task_that_loses_one_cancellation_is_cancelled_again() -> None:
    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await stopped([task])
    assert task.cancelled()


async def test_what_has_ended_already_stays_as_it_ended() -> None:
    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await stopped([task])
    assert isinstance(task.exception(), ValueError)


async def test_none_is_soon_stopped() -> None:
    await stopped([])


async def test_works_that_are_done_together_all_end_with_the_first_fault() -> None:
    """Those too that lose a cancellation, which a task group would wait for without end."""
    with pytest.raises(ValueError):
        await together([deaf(), failing(), deaf()])


async def test_works_that_are_done_together_end_with_who_waits_for_them() -> None:
    """None of them is left behind, though the wait for them is itself cancelled again meanwhile."""
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await deaf()
        finally:
            ended.append(number)

    waiting = asyncio.create_task(together([work(1), work(2)]))
    await asyncio.sleep(0.01)
    await stopped([waiting])
    assert waiting.cancelled() and sorted(ended) == [1, 2]


async def test_works_that_are_done_together_all_come_to_their_end() -> None:
    """What each came to is told in the order of the works, whichever was first."""
    others = asyncio.Event()

    async def work(number: int) -> int:
        if number == 1:
            await others.wait()
        others.set()
        return number

    assert await together([work(1), work(2)]) == [1, 2]
    assert await together([]) == []
