"""Ending tasks so that they have ended.

A cancellation can be lost: Python 3.11's `asyncio.wait_for` swallows it when what it waits for comes in the same
moment (mended in 3.12), and libraries wait so. Hence `asyncio.timeout` here (the linter refuses the other), and a
second cancellation for a task that took no notice of the first.
"""

import asyncio
from collections.abc import Collection
from typing import Any

_AGAIN_SECONDS = 0.5


async def stopped(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancels tasks and returns when every one has ended; how it ended stays the task's own to say."""
    running = set(tasks)
    while running := {task for task in running if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio need not complain
