"""Live hints over Redis pub/sub: best effort; whoever waits for one also looks by itself four times a second."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
_APART_SECONDS = 0.01
"""How far apart hints leave that nobody waits for."""
_CHANNEL = "ashgrove:hints"


class Hints:
    """Publishes topics after commit and wakes those who wait for them."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=1.0)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._alive = False
        self._leaving: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None

    def soon(self, topic: str) -> None:
        """Publishes a topic without anybody waiting for it: at once, or together with what is told a moment later.

        What happens a hundred times a second is hinted at a hundred times, however much of it there is.
        """
        self._leave_with(topic, 0.0)

    def later(self, topic: str) -> None:
        """Publishes a topic as `soon` does, once whoever tells it has done what others wait for."""
        self._leave_with(topic, _APART_SECONDS)

    def _leave_with(self, topic: str, seconds: float) -> None:
        self._leaving[topic] = None
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(seconds))

    async def _tell(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        while self._leaving:
            topics, self._leaving = self._leaving, {}
            for topic in topics:
                await self.publish(topic)
            await asyncio.sleep(_APART_SECONDS)

    async def publish(self, topic: str) -> None:
        """Tells whoever listens; silently nothing when Redis is away."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(0.5):
                await self._redis.publish(_CHANNEL, topic)

    @property
    def alive(self) -> bool:
        """Whether hints arrive at present."""
        return self._alive

    def wake(self, topic: str) -> None:
        """Wakes those of this process who wait for a topic."""
        for event in list(self._waiting.get(topic, ())):
            event.set()

    def wake_all(self) -> None:
        """Wakes everybody of this process who waits, whatever for: they look whether they still may."""
        for topic in list(self._waiting):
            self.wake(topic)

    @contextmanager
    def bound(self, topic: str, event: asyncio.Event) -> Iterator[None]:
        """Has every hint on a topic set an event for the length of a block: none is missed between two waits.

        Who looks for news clears it before: what is told during a look need not be in it.
        """
        self._waiting[topic].add(event)
        try:
            yield
        finally:
            self._leave(topic, event)

    async def wait(self, topic: str, timeout: float) -> None:
        """Returns at a hint on the topic, or after the timeout; without Redis, after a quarter second at most."""
        await self.heard(topic, timeout if self._alive else min(timeout, LOOK_SECONDS))

    async def heard(self, topic: str, timeout: float) -> None:
        """Returns at a hint on the topic, or after the timeout, for those whom somebody wakes without Redis too."""
        with self.bound(topic, event := asyncio.Event()):
            await set_within(event, timeout)

    def _leave(self, topic: str, event: asyncio.Event) -> None:
        self._waiting[topic].discard(event)
        if not self._waiting[topic]:
            del self._waiting[topic]

    async def run(self) -> None:
        """Listens until cancelled, coming back whenever Redis does."""
        while True:
            with suppress(RedisError, OSError):
                await self._listen()
            self._alive = False
            await asyncio.sleep(LOOK_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(_CHANNEL)
            self._alive = True
            async for message in pubsub.listen():
                if message["type"] == "message":
                    self.wake(message["data"].decode())

    async def close(self) -> None:
        """Closes the connections, once what was to be published has left."""
        if self._telling is not None:
            await self._telling
        await self._redis.aclose()


async def set_within(event: asyncio.Event, seconds: float) -> None:
    """Returns once an event is set, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
