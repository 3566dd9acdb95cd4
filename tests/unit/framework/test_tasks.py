"""Tasks that are told to end have ended."""

import asyncio
from contextlib import suppress

from framework.tasks import stopped


async def test_a_task_that_loses_one_cancellation_is_cancelled_again() -> None:
    """As a library does that waits with Python 3.11's `wait_for`."""

    async def deaf() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await stopped([task])
    assert task.cancelled()


async def test_what_has_ended_already_stays_as_it_ended() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.wait([task])
    await stopped([task])
    assert isinstance(task.exception(), ValueError)


async def test_none_is_soon_stopped() -> None:
    await stopped([])
