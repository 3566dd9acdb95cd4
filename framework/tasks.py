"""Ending tasks so that they have ended.

A cancellation can be lost: Python 3.11's `asyncio.wait_for` swallows it when what it waits for comes in the same
moment (mended in 3.12), and libraries wait so. Hence `asyncio.timeout` here (the linter refuses the other), and a
second cancellation for a task that took no notice of the first.
"""

import asyncio
import time
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

_AGAIN_SECONDS = 0.5
T = TypeVar("T")


async def stopped(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancels tasks and returns when every one has ended; how it ended stays the task's own to say.

    Who is cancelled while it waits for them waits on, or they would be nobody's, and is cancelled then.
    """
    running, cancelled = set(tasks), None
    while running := {task for task in running if not task.done()}:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=_AGAIN_SECONDS)
        except asyncio.CancelledError as ours:
            cancelled = ours
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: asyncio need not complain
    if cancelled:
        raise cancelled


async def finished(tasks: Collection["asyncio.Task[Any]"], patience: float) -> None:
    """Returns when all have ended by themselves, or after so many seconds; who is cancelled meanwhile waits on."""
    until, cancelled = time.monotonic() + patience, None
    while (left := until - time.monotonic()) > 0 and (running := {task for task in tasks if not task.done()}):
        try:
            await asyncio.wait(running, timeout=left)
        except asyncio.CancelledError as ours:
            cancelled = ours
    if cancelled:
        raise cancelled


async def together(works: Collection[Coroutine[Any, Any, T]]) -> list[T]:
    """Does works side by side and returns what each came to, in their order, when all are done.

    The first fault, or a cancellation, stops them all. No task group: that cancels once, and waits without end for one
    that took no notice.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        return [task.result() for task in tasks if task.done()]
    finally:
        await stopped(tasks)
