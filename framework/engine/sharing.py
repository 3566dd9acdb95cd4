"""One doing for all who ask for the same at the same moment: many watchers of one list are one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Shared:
    """What is under way in this process; nothing is remembered once it is done, so nothing is ever stale."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def once(self, key: Hashable, do: Callable[[], Awaitable[T]]) -> T:
        """Returns what is done under a key, joining whoever does it already; one who leaves does not stop it."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(do())
            task.add_done_callback(lambda _: self._running.pop(key, None))
        done: T = await asyncio.shield(task)
        return done
