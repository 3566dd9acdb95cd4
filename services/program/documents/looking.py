"""Registered code that looks up examples: shown them once, then asked, in a process that is its own for the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ashgrove.custom import RETRIEVERS

from domain.values import Json
from services.program.code.contract import Limits
from services.program.code.pool import Workers
from services.program.documents.retrieving import said


@dataclass(frozen=True)
class RegisteredRetriever:
    """A retriever by its name `id@version`, the examples that it looks through, and what it is told beside them."""

    workers: Workers
    name: str
    limits: Limits
    examples: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Json]

    async def found(self, query: str, k: int) -> dict[str, Json]:
        """Returns what the code found; raises CodeFault when it breaks its promise.

        A process for the length of the look: steps that each held one and waited for another would wait for ever.
        """
        async with self.workers.session(self.name, (), self.limits, RETRIEVERS) as session:
            await session.prepare(self.examples, self.parameters)
            ran = await session.run({"query": query, "k": k}, self.parameters, 0)
        return said(self.name, ran.outputs, k)
