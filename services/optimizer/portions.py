"""Calls about one thing that are served together: whatever comes while one portion is served is the next portion."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from framework.errors import Failure

W = TypeVar("W")
Serve: TypeAlias = "Callable[[Sequence[W]], Awaitable[Sequence[Any]]]"
"""Does a portion or nothing of it, and returns the answers to as many calls of it as it did, from the first.

An answer may be a Failure: what a call was refused before it did anything."""
MOST = 32
"""How many calls are served together at most: the first of them waits for the last."""


@dataclass
class Waiting(Generic[W]):
    """A call that waits for its answer."""

    work: W
    answer: "asyncio.Future[Any]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Portions(Generic[W]):
    """Serves one portion of each key at a time; a portion that fails is served again, each call of it alone."""

    def __init__(self) -> None:
        self._waiting: dict[Any, deque[Waiting[W]]] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def served(self, key: Any, work: W, serve: "Serve[W]") -> Any:
        """Returns the answer to a call, or raises what it failed with."""
        waiting = Waiting(work)
        if key in self._waiting:
            self._waiting[key].append(waiting)
        else:
            self._waiting[key] = deque([waiting])
            task = asyncio.create_task(self._lead(key, serve))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        return await waiting.answer

    async def _lead(self, key: Any, serve: "Serve[W]") -> None:
        queue = self._waiting[key]
        try:
            while queue:
                portion = [queue.popleft() for _ in range(min(MOST, len(queue)))]
                left = await self._answer([each for each in portion if not each.answer.done()], serve)
                queue.extendleft(reversed(left))
        finally:
            del self._waiting[key]
            for each in queue:  # only when this process ends
                each.answer.cancel()

    async def _answer(self, portion: Sequence[Waiting[W]], serve: "Serve[W]") -> Sequence[Waiting[W]]:
        """Answers calls, and returns those that were left for the next portion."""
        try:
            answers = await serve([each.work for each in portion]) if portion else []
        except asyncio.CancelledError:
            for each in portion:
                each.answer.cancel()
            raise
        except BaseException as error:  # it is its call's to raise
            if len(portion) > 1:
                for each in portion:
                    await self._answer([each], serve)
            else:
                with suppress(asyncio.InvalidStateError):
                    portion[0].answer.set_exception(error)
            return []
        for each, answer in zip(portion, answers, strict=False):
            if each.answer.done():
                continue
            if isinstance(answer, Failure):
                each.answer.set_exception(answer)
            else:
                each.answer.set_result(answer)
        return portion[len(answers) :]
