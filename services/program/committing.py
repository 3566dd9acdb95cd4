"""Commits what comes close together with one commit: what comes during one shares the next."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from framework.tasks import finished, stopped

PATIENCE_SECONDS = 2.0
T = TypeVar("T")


class Committing(Generic[T]):
    """One commit at a time, in the order in which things came.

    What came during one waits for more, until it is so many seconds old that it began, or somebody waits for it.
    """

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[None]], apart: float = 0.0) -> None:
        self._commit = commit
        self._apart = apart
        self._wanted = asyncio.Event()
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, one: T) -> "asyncio.Future[None]":
        """Returns what is done once this is committed, and everything that came before; it raises what went wrong."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return done

    async def committed(self, one: "asyncio.Future[None]") -> None:
        """Returns once something that was added is committed, which waits for nothing more to come."""
        if not one.done():
            self._wanted.set()
        await one

    async def close(self, patience: float = PATIENCE_SECONDS) -> None:
        """Commits what has come, also where nobody waits for it any more, and nothing after that; gives up in the end.

        Who is cancelled while it waits for that waits on, as long.
        """
        if self._task is not None:
            self._wanted.set()
            try:
                await finished([self._task], patience)
            finally:
                await stopped([self._task])

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            began = time.monotonic()
            self._wanted.clear()
            fault: Exception | None = None
            try:
                await self._commit([one for one, _ in batch])
            except Exception as raised:  # told to whoever waits
                fault = raised
            for _, done in batch:
                _settle(done, fault)
            if self._waiting:
                await self._gather(began + self._apart)

    async def _gather(self, until: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._wanted.wait()


def _settle(done: "asyncio.Future[None]", fault: Exception | None) -> None:
    if done.done():
        return
    if fault is None:
        done.set_result(None)
        return
    done.set_exception(fault)
    done.exception()  # nobody has to ask: one of many may have left
