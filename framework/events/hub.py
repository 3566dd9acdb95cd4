"""A numbered story that many streams follow: read once, made into bytes once, and its followers only woken."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Frames = Sequence[tuple[int, bytes]]
"""Frames with their numbers, in order and without gaps."""
KEPT = 256
"""How many frames are held for those who are not at the end; who is further behind reads for themselves."""
# Those who are due within this time are woken together: ten thousand have as many moments of their own.
_TOGETHER_SECONDS = 0.25
# What is due is due for certain when it is woken.
_SLACK_SECONDS = 0.01


@dataclass(frozen=True)
class Found:
    """What a look found: the frames after a number, whether more of them wait, and whether the story ends with them."""

    frames: Frames
    more: bool
    ended: bool


class Follower:
    """One who follows: where they stand, and by when they want to be woken though nothing is told."""

    __slots__ = ("_waiting", "_woken", "after", "due")

    def __init__(self, after: int) -> None:
        self.after = after
        """The number of the latest frame that was sent."""
        self.due = math.inf
        self._woken = False
        self._waiting: asyncio.Future[None] | None = None

    @property
    def waits(self) -> bool:
        """Whether they have been sent all that there was, and sleep."""
        return self._waiting is not None

    def wake(self) -> None:
        """Has them look, at once or when they come to wait."""
        if self._waiting is None:
            self._woken = True
            return
        if not self._waiting.done():
            self._waiting.set_result(None)
        self._waiting = None

    def sleep(self) -> asyncio.Future[None] | None:
        """Returns what comes when they are woken; nothing where they were since they slept last."""
        self._waiting = None if self._woken else asyncio.get_running_loop().create_future()
        self._woken = False
        return self._waiting


class Hub:
    """The end of one story in memory, for all who follow it in this process; nobody has a queue.

    `look` reads what comes after a number. A follower who is slow stays where they stand, and holds up nobody.
    """

    def __init__(self, look: Callable[[int], Awaitable[Found]], latest: int) -> None:
        self.latest = latest
        """The number of the latest frame that is known."""
        self.ended = False
        """Whether the story ended with it."""
        self.fault: Exception | None = None
        """Why nobody looks any more."""
        self.followers: set[Follower] = set()
        self.read = look
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._one = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._waking_at = math.inf

    @contextmanager
    def followed(self, after: int) -> Iterator[Follower]:
        """Has somebody follow for the length of a block."""
        self.followers.add(follower := Follower(after))
        try:
            yield follower
        finally:
            self.followers.discard(follower)
            if not self.followers and self._waking:
                self._waking.cancel()
                self._waking, self._waking_at = None, math.inf

    async def look(self) -> bool:
        """Takes in what is new and wakes whom it concerns; says whether more waits.

        A look is for all who ask before it begins: what was committed before somebody asked is in it.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look())
        return await asyncio.shield(self._next)

    async def _look(self) -> bool:
        async with self._one:
            self._next = None  # who asks from here on is told by another one
            found = await self.read(self.latest)
            self._kept.extend(found.frames)
            if found.frames:
                self.latest = found.frames[-1][0]
            changed, self.ended = bool(found.frames) or found.ended != self.ended, found.ended
        if changed:
            self.stir()
        return found.more

    def held(self, after: int) -> Frames | None:
        """Returns the frames after a number; None when they reach further back than memory does."""
        missing = self.latest - after
        if missing <= 0:
            return ()
        if missing > len(self._kept):
            return None
        return [self._kept[place] for place in range(-missing, 0)]

    def stir(self) -> None:
        """Wakes everybody: there is something new, or they are to look whether they still may."""
        for follower in self.followers:
            follower.wake()

    def fail(self, fault: Exception) -> None:
        """Ends it for everybody: nobody looks any more."""
        self.fault = fault
        self.stir()

    async def wait(self, follower: Follower, due: float) -> None:
        """Returns when the follower is woken, or soon after a moment of `time.monotonic()`; raises what ended it."""
        follower.due = due
        if due < self._waking_at:
            self._wake_by(due)
        if sleeping := follower.sleep():
            await sleeping
        if self.fault is not None:
            raise self.fault

    def _wake_by(self, due: float) -> None:
        # One timer for all: a timer for each wait was a twentieth of the time of a frame.
        if self._waking:
            self._waking.cancel()
        delay = max(0.0, due - time.monotonic()) + _SLACK_SECONDS
        self._waking_at = due
        self._waking = asyncio.get_running_loop().call_later(delay, self._wake_due)

    def _wake_due(self) -> None:
        now, self._waking_at = time.monotonic(), math.inf
        for follower in self.followers:
            if follower.due <= now:
                follower.due = math.inf
                follower.wake()
        nearest = min((follower.due for follower in self.followers), default=math.inf)
        if nearest < math.inf:
            self._wake_by(max(nearest, now + _TOGETHER_SECONDS))
