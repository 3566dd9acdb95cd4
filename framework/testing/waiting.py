"""Waiting in a test for what others do: workers, feeds, the database."""

import asyncio
import inspect
from collections.abc import Callable


async def until(holds: Callable[[], object]) -> None:
    """Returns when something holds, said or to be awaited; the test's own timeout ends a wait in vain."""
    while not await _said(holds()):  # noqa: ASYNC110 - nobody here could set an event
        await asyncio.sleep(0.02)


async def _said(found: object) -> object:
    return await found if inspect.isawaitable(found) else found
