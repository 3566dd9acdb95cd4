"""Waiting in a test for what others do: workers, feeds, the database."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    """Returns when something holds; the test's own timeout ends a wait in vain."""
    while not await holds():  # noqa: ASYNC110 - nobody here could set an event
        await asyncio.sleep(0.02)
