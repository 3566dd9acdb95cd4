"""Somebody who watches variable spaces: keeps what the frames tell, leaves, and comes back where they left."""

import asyncio
from typing import Any

from ashgrove.resource.v1.watch_pb2 import WatchRequest, WatchResponse
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_space_requests_pb2 import (
    ArchiveVariableSpaceRequest,
    CreateVariableSpaceRequest,
    ListVariableSpacesRequest,
    UpdateVariableSpaceRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor
from framework.tasks import stopped
from framework.testing.workbench import Workbench

Item = WatchResponse.Item
PUBLIC = pb.VariableSpace.VISIBILITY_PUBLIC
PRIVATE = pb.VariableSpace.VISIBILITY_PRIVATE


def space(name: str, visibility: Any = PRIVATE, description: str = "") -> pb.VariableSpace:
    """A sound space."""
    made = pb.VariableSpace(name=name, visibility=visibility, description=description)
    made.variables.add(name="shots", integer=pb.IntegerDomain(low=0, high=4))
    return made


async def create(bench: Workbench, made: pb.VariableSpace, actor: Actor | None = None) -> pb.VariableSpace:
    """Creates a space, as the user unless another actor is named."""
    request = CreateVariableSpaceRequest(variable_space=made)
    created: pb.VariableSpace = await bench.do("CreateVariableSpace", request, actor)
    return created


async def change(bench: Workbench, identifier: str, actor: Actor | None = None, **fields: Any) -> None:
    """Changes some fields of a space."""
    request = UpdateVariableSpaceRequest(
        variable_space=pb.VariableSpace(id=identifier, **fields), update_mask=FieldMask(paths=list(fields))
    )
    await bench.do("UpdateVariableSpace", request, actor)


async def archive(bench: Workbench, identifier: str, actor: Actor | None = None) -> None:
    """Puts a space away."""
    await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=identifier), actor)


class Spectator:
    """One watcher: `state` is what it believes to be in view, `items` all that it was told."""

    def __init__(self, bench: Workbench, actor: Actor, since: int | None = None, **asked: Any) -> None:
        self.bench = bench
        self.actor = actor
        self.asked = asked
        self.position = since
        self.state: dict[str, pb.VariableSpace] = {}
        self.items: list[Item] = []
        self.ended: Any = None
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether it does not watch."""
        return self._task is None or self._task.done()

    async def start(self) -> "Spectator":
        """Begins to watch, where it left when it did, and returns once the stream stands."""
        before, self.position = self.position, None
        self._task = asyncio.create_task(self._watch(before))
        await self.until(lambda: self.position is not None)
        return self

    async def stop(self) -> None:
        """Leaves in the middle of whatever is told."""
        if self._task:
            await stopped([self._task])

    async def relist(self) -> None:
        """Begins with what a list shows."""
        self.state = {one.id: one for one in await self.listed()}

    async def listed(self) -> list[pb.VariableSpace]:
        """Returns what a list shows that asks for the same."""
        wanted = {k: v for k, v in self.asked.items() if k in ("filter", "show_archived")}
        answer = await self.bench.do(
            "ListVariableSpaces", ListVariableSpacesRequest(page_size=500, **wanted), self.actor
        )
        return list(answer.variable_spaces)

    async def until(self, holds: Any) -> None:
        """Waits until something holds of what was told."""
        async with self._news:
            await self._news.wait_for(holds)

    async def _watch(self, position: int | None) -> None:
        request = WatchRequest(from_sequence=position, **self.asked)
        async for frame in self.bench.frames("WatchVariableSpaces", request, self.actor):
            async with self._news:
                self._take(frame)
                self._news.notify_all()

    def _take(self, frame: WatchResponse) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "end":
            self.ended = frame.end.status
        elif kind == "heartbeat":
            self.position = frame.heartbeat.sequence
        else:
            self._item(frame.item)

    def _item(self, item: Item) -> None:
        self.items.append(item)
        self.position = item.sequence
        if item.type == Item.TYPE_REMOVED:
            self.state.pop(item.resource_id, None)
            return
        shown = pb.VariableSpace()
        assert item.resource.Unpack(shown)
        self.state[item.resource_id] = shown
