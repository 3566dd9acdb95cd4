"""The code workers of one process of the service: a few child processes, kept warm, shared in turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.program.code.contract import Catalogue, Limits
from services.program.code.session import Session


class Workers:
    """A bounded number of child processes; whoever comes first is served first."""

    def __init__(self, size: int = 4) -> None:
        self.size = size

    @asynccontextmanager
    async def session(self, program: str | None, metrics: Sequence[str], limits: Limits) -> AsyncIterator[Session]:
        """Yields a session with this program and these metrics; raises CodeFault when they cannot be loaded."""
        raise NotImplementedError
        yield Session()

    async def describe(self) -> Catalogue:
        """Returns everything that is registered, a fault told beside the entry that has it."""
        raise NotImplementedError

    async def close(self) -> None:
        """Kills every child process; sessions still open get WorkersClosed."""
        raise NotImplementedError
