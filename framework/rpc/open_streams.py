"""How many streams may be open at once in one process: of each caller, and of each organization."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from framework.call import Actor, ActorKind
from framework.errors import LimitReached
from framework.rpc.current import current

_RETRY_SECONDS = 5


@dataclass
class OpenStreams:
    """Counts open streams and refuses those beyond the bounds; the platform's own services are not counted."""

    per_caller: int = 1_000
    per_organization: int = 10_000
    _open: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def bounded(self, details: Any, context: Any) -> AsyncIterator[None]:
        """Surrounds a stream; raises LimitReached for one too many."""
        counted = _counted(current().actor)
        for kind, name in counted.items():
            most = self.per_caller if kind == "caller" else self.per_organization
            if self._open[name] >= most:
                told = f"{most} streams of this {kind} are open: close one, or wait for one to end"
                raise LimitReached(told, _RETRY_SECONDS, limit=f"streams of a {kind}")
        self._open.update(counted.values())
        try:
            yield
        finally:
            self._open.subtract(counted.values())
            self._open += Counter()  # names whose last stream has ended are forgotten


def _counted(actor: Actor) -> dict[str, str]:
    if actor.kind is ActorKind.SERVICE:
        return {}
    return {"caller": f"{actor.kind.value}:{actor.id}", "organization": str(actor.organization_id)}
