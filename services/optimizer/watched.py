"""Which runs are watched in this process, and one look at all of them: one query, however many watch."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from framework.call import Actor
from framework.engine import Engine
from framework.errors import Failure
from framework.events.hub import Follower, Found, Hub
from framework.tasks import stopped
from services.optimizer.story import topic

LOOK_SECONDS = 1.0
LOOK_WITHOUT_HINTS_SECONDS = 0.25
_GATHERING_SECONDS = 0.001
L = TypeVar("L")
_LATEST = """
SELECT r.organization_id, r.id, r.last_sequence
FROM unnest(%(organizations)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
JOIN optimization_runs r ON r.organization_id = w.organization_id AND r.id = w.id
"""


class Heard(asyncio.Event):
    """Set whenever there may be news for one watcher."""

    after = 0
    """The number of the latest event that the watcher has told."""


class Watched:
    """The watched runs with the number of their latest event, looked up once a second, more often without hints."""

    def __init__(self) -> None:
        self._looks: dict[Any, asyncio.Task[Any]] = {}
        self._watchers: defaultdict[tuple[UUID, UUID], set[Heard]] = defaultdict(set)
        self._latest: dict[UUID, int] = {}
        self._decided: defaultdict[tuple[UUID, UUID], dict[Actor, float]] = defaultdict(dict)
        self._looking: asyncio.Task[None] | None = None
        self._hubs: dict[tuple[UUID, UUID], tuple[Hub, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def following(
        self, engine: Engine, run: Mapping[str, Any], after: int, look: Callable[[int], Awaitable[Found]]
    ) -> AsyncIterator[tuple[Hub, Follower]]:
        """Has somebody follow a run's story after a number for the length of a block, with all others who do.

        It begins with a look: all that was committed before is known.
        """
        key = (run["organization_id"], run["id"])
        if key not in self._hubs or self._hubs[key][0].fault:
            hub = Hub(look, run["last_sequence"])
            self._hubs[key] = hub, asyncio.create_task(self._follow(engine, run, hub))
        hub, task = self._hubs[key]
        try:
            with hub.followed(after) as follower:
                await hub.look()
                yield hub, follower
        finally:
            if not hub.followers:
                if self._hubs.get(key) == (hub, task):
                    del self._hubs[key]
                await stopped([task])

    async def _follow(self, engine: Engine, run: Mapping[str, Any], hub: Hub) -> None:
        engine.hubs.add(hub)
        try:
            async with self.watching(engine, run) as heard:
                while True:
                    heard.clear()  # what is told from here on is looked for again
                    more = await hub.look()
                    heard.after = hub.latest
                    if not more:
                        await heard.wait()
        except Exception as fault:
            hub.fail(fault)
        finally:
            engine.hubs.discard(hub)

    @asynccontextmanager
    async def watching(self, engine: Engine, run: Mapping[str, Any]) -> AsyncIterator[Heard]:
        """Has a run looked at for the length of a block, and an event set whenever there may be news of it."""
        key = (run["organization_id"], run["id"])
        self._watchers[key].add(heard := Heard())
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(engine))
        try:
            with engine.hints.bound(topic(run["id"]), heard):
                yield heard
        finally:
            self._watchers[key].discard(heard)
            if not self._watchers[key]:
                del self._watchers[key]
                self._decided.pop(key, None)
                self._latest.pop(run["id"], None)
            if not self._watchers and (looking := self._looking):
                self._looking = None
                await stopped([looking])

    async def together(self, key: Any, look: Callable[[], Awaitable[L]]) -> L:
        """Returns what a look finds that all who ask for the same thing at the same time share.

        Nobody joins a look that has begun: what was committed before somebody asked is in what it is told.
        """
        if key not in self._looks:
            self._looks[key] = asyncio.create_task(self._shared(key, look))
        # Whoever leaves must not take the look from the others.
        found: L = await asyncio.shield(self._looks[key])
        return found

    async def decided(
        self, run: Mapping[str, Any], actor: Actor, seconds: float, decide: Callable[[], Awaitable[Any]]
    ) -> float:
        """Returns when an actor was last found to be one who may watch a run, at most so many seconds ago.

        Where that is longer ago it is decided anew, once for all streams of the actor; raises what `decide` raises.
        """
        key = run["organization_id"], run["id"]
        if (now := time.monotonic()) - self._decided[key].get(actor, -math.inf) > seconds:
            await self.together((key, actor), decide)
            self._decided[key][actor] = now
        return self._decided[key][actor]

    async def _shared(self, key: Any, look: Callable[[], Awaitable[L]]) -> L:
        await asyncio.sleep(_GATHERING_SECONDS)
        del self._looks[key]
        return await look()

    async def _look(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS if engine.hints.alive else LOOK_WITHOUT_HINTS_SECONDS)
            with suppress(Failure):  # a database that is away is asked again
                await self._learn(engine)

    async def _learn(self, engine: Engine) -> None:
        keys = list(self._watchers)
        names = {"organizations": [key[0] for key in keys], "ids": [key[1] for key in keys]}
        async with engine.database.system() as tx:
            rows = await tx.fetch(_LATEST, names)
        for row in rows:
            if row["last_sequence"] > self._latest.get(row["id"], 0):
                self._latest[row["id"]] = row["last_sequence"]
                # Who was hinted at it has told of it by now, and need not look again.
                for heard in self._watchers.get((row["organization_id"], row["id"]), ()):
                    if heard.after < row["last_sequence"]:
                        heard.set()
