"""Commits what comes close together with one commit: what comes during one shares the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from framework.tasks import finished, stopped

PATIENCE_SECONDS = 2.0
T = TypeVar("T")


class Committing(Generic[T]):
    """One commit at a time, in the order in which things came."""

    def __init__(self, commit: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, one: T) -> "asyncio.Future[None]":
        """Returns what is done once this is committed, and everything that came before; it raises what went wrong."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return done

    async def close(self, patience: float = PATIENCE_SECONDS) -> None:
        """Commits what has come, also where nobody waits for it any more, and nothing after that; gives up in the end.

        Who is cancelled while it waits for that waits on, as long.
        """
        if self._task is not None:
            try:
                await finished([self._task], patience)
            finally:
                await stopped([self._task])

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            fault: Exception | None = None
            try:
                await self._commit([one for one, _ in batch])
            except Exception as raised:  # told to whoever waits
                fault = raised
            for _, done in batch:
                _settle(done, fault)


def _settle(done: "asyncio.Future[None]", fault: Exception | None) -> None:
    if done.done():
        return
    if fault is None:
        done.set_result(None)
        return
    done.set_exception(fault)
    done.exception()  # nobody has to ask: one of many may have left
