"""A service's engine on a real database, ready to do RPCs as any actor of any organization."""

import asyncio
import math
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from framework.call import Actor, ActorKind, Context, Role
from framework.engine import Engine
from framework.events.hints import Hints
from framework.events.sequencer import Sequencer
from framework.identifiers import new_id
from framework.query import Seal
from framework.resource import MethodSpec, Registry
from framework.storage import Database
from framework.storage.ddl import ddl
from framework.storage.migrate import migrate
from framework.tasks import stopped

PASSWORD = secrets.token_urlsafe(16)
_NO_REDIS = "redis://127.0.0.1:1/0"
_current: set[tuple[str, str, Path]] = set()
"""What this process has migrated: roles and schema of a database are made once, not for each of its tests."""


def user(organization_id: UUID, role: Role = Role.USER) -> Actor:
    """Returns a new user of an organization."""
    return Actor(ActorKind.USER, str(new_id()), organization_id, role, credential_id=str(new_id()))


@dataclass
class Workbench:
    """An engine, its database, and one organization with an administrator, two users and a viewer."""

    engine: Engine
    database: Database
    organization_id: UUID
    admin: Actor
    user: Actor
    colleague: Actor
    viewer: Actor

    @property
    def registry(self) -> Registry:
        """The declarations the engine runs on."""
        return self.engine.registry

    def context(self, actor: Actor, rpc: str, seconds: float = 100.0) -> Context:
        """Returns a call's context with a fresh request id."""
        return Context(actor, rpc, str(new_id()), time.monotonic() + seconds)

    async def do(self, rpc: str, request: Message, actor: Actor | None = None) -> Any:
        """Does a unary RPC, as the user unless another actor is named."""
        return await self.engine.unary(self._method(rpc), self.context(actor or self.user, rpc), request)

    async def send(self, rpc: str, requests: Sequence[Message], actor: Actor | None = None) -> Any:
        """Does an RPC that is asked with a stream, as the user unless another actor is named."""

        async def more() -> AsyncIterator[Message]:
            for request in requests[1:]:
                yield request

        context = self.context(actor or self.user, rpc, math.inf)
        return await self.engine.unary(self._method(rpc), context, requests[0], more())

    def _method(self, rpc: str) -> MethodSpec:
        return self.registry.method(rpc)

    async def events(self, kind: str = "") -> list[dict[str, Any]]:
        """Numbers what has committed and returns this organization's events in order, of one type when it is named."""
        sequencer = Sequencer(self.database)
        while await sequencer.step() or await self._unnumbered():
            pass
        async with self.database.system() as tx:
            rows = await tx.fetch(
                "SELECT sequence, event FROM feed WHERE organization_id = %(o)s ORDER BY sequence",
                {"o": self.organization_id},
            )
        return [{**r["event"], "sequence": r["sequence"]} for r in rows if not kind or r["event"]["type"] == kind]

    async def _unnumbered(self) -> bool:
        """Says whether another sequencer is at work on what has committed: only one of them is at a time."""
        async with self.database.system() as tx:
            found = await tx.fetch_one("SELECT EXISTS (SELECT FROM outbox) AS waits")
        return bool(found and found["waits"])

    async def frames(self, rpc: str, request: Message, actor: Actor | None = None) -> AsyncIterator[Any]:
        """Yields the frames of a streaming RPC, as the user unless another actor is named."""
        method, context = self._method(rpc), self.context(actor or self.user, rpc, math.inf)
        async for frame in self.engine.stream(method, context, request):
            yield method.response_class.FromString(frame) if isinstance(frame, bytes) else frame

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Numbers what commits and wakes who follows it, for the length of a block."""
        works = [Sequencer(self.database, self.engine.hints, every=0.01).run, self.engine.recent.run]
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            yield
        finally:
            await stopped(tasks)

    def elsewhere(self) -> "Workbench":
        """Returns the same service seen from another, new organization."""
        return replace(self, **_people(new_id()))


def _people(organization: UUID) -> dict[str, Any]:
    return {
        "organization_id": organization,
        "admin": user(organization, Role.ADMIN),
        "user": user(organization),
        "colleague": user(organization),
        "viewer": user(organization, Role.VIEWER),
    }


@asynccontextmanager
async def workbench(
    registry: Registry, admin_url: str, migrations: Path | None = None, application: Any = None
) -> AsyncIterator[Workbench]:
    """Migrates the service's schema and opens its engine for the length of a block; Redis is away.

    Without migrations the schema is the one that the declarations derive.
    """
    if migrations is None:
        _derive(registry, admin_url)
    elif (migrated := (admin_url, registry.service, migrations)) not in _current:
        migrate(admin_url, registry.service, PASSWORD, migrations)
        _current.add(migrated)
    database = Database(admin_url, PASSWORD, registry.service, size=4)
    await database.open()
    try:
        hints = Hints(_NO_REDIS)
        engine = Engine(registry, database, hints, Seal(secrets.token_bytes(32)), application)
        yield Workbench(engine=engine, database=database, **_people(new_id()))
        await hints.close()
    finally:
        await database.close()


@asynccontextmanager
async def hinted(bench: Workbench, redis_url: str) -> AsyncIterator[None]:
    """Has hints travel by a real broker for the length of a block."""
    before, bench.engine.hints = bench.engine.hints, Hints(redis_url)
    listening = asyncio.create_task(bench.engine.hints.run())
    try:
        yield
    finally:
        await stopped([listening])
        await bench.engine.hints.close()
        bench.engine.hints = before


def _derive(registry: Registry, admin_url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "0001_derived.sql").write_text(ddl(registry))
        migrate(admin_url, registry.service, PASSWORD, Path(folder))
