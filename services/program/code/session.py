"""One use of a code worker: prepare, run, score."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from domain.values import Json
from services.program.code.contract import SURVIVED, CodeFault, Limits, Promise, Ran, Scored, WorkersClosed
from services.program.code.guarding import Look
from services.program.code.process import CodeProcess

OVERLAP = 16
"""How many async calls of a session may overlap."""


class Session:
    """A program and metrics, loaded in a process of their own, for as long as they are needed.

    Calls may be made at the same time; those that cannot overlap wait in line, on nobody's clock. Whoever cancels a
    call in its middle kills the process, and with it every other call of the session.
    """

    def __init__(self, process: CodeProcess, loaded: Mapping[str, Any], limits: Limits, passed: Look) -> None:
        self._process = process
        self._limits = limits
        self._passed = passed
        self._learns: bool = loaded["learns"]
        self._runs_overlap: bool = loaded["overlap"]
        self._metrics_overlap = frozenset(loaded["metrics"])
        self.promises = [Promise(**each) for each in loaded["promises"]]
        """What its metrics promise of each of their scores."""
        self._one_by_one, self._overlapping = asyncio.Semaphore(1), asyncio.Semaphore(OVERLAP)
        self._over = False

    @property
    def pid(self) -> int:
        """The id of the process behind it."""
        return self._process.pid

    @property
    def runs_at_once(self) -> int:
        """How many runs may overlap: more than one for async programs only; it may change with `prepare`."""
        return OVERLAP if self._runs_overlap else 1

    async def prepare(self, examples: Sequence[Mapping[str, Any]], parameters: Mapping[str, Json]) -> None:
        """Lets the program learn from the training examples; programs that do not learn are ready as they are."""
        if not self._learns:
            return
        late = f"prepare did not end within {self._limits.prepare_ms} ms"
        said = {"examples": list(examples), "parameters": dict(parameters)}
        answer = await self._ask(self._one_by_one, "prepare", self._limits.prepare_ms, late, said)
        self._runs_overlap = answer["overlap"]

    async def run(self, inputs: Mapping[str, Json], parameters: Mapping[str, Json], seed: int) -> Ran:
        """Runs the program once; after EXCEPTION and BAD_OUTPUT the session goes on, other faults end it.

        The seed makes Python's `random` and NumPy's global generator repeat themselves, where runs do not overlap.
        """
        late = f"the program did not end within {self._limits.call_ms} ms"
        line = self._overlapping if self._runs_overlap else self._one_by_one
        said = {"inputs": dict(inputs), "parameters": dict(parameters), "seed": seed}
        return Ran(**await self._ask(line, "call", self._limits.call_ms, late, said))

    async def score(
        self,
        metric: str,
        example: Mapping[str, Any],
        prediction: Mapping[str, Any],
        trace: Mapping[str, Json] | None,
        params: Mapping[str, Json],
    ) -> Scored:
        """Scores an answer; a score that breaks the metric's promise is a METRIC fault."""
        late = f"the metric {metric} did not end within {self._limits.call_ms} ms"
        line = self._overlapping if metric in self._metrics_overlap else self._one_by_one
        given = [dict(example), dict(prediction), None if trace is None else dict(trace), dict(params)]
        said = {"metric": metric, "arguments": given}
        return Scored(**await self._ask(line, "score", self._limits.call_ms, late, said))

    def leave(self) -> None:
        """Ends the session: whoever still waits in line waits in vain."""
        self._over = True

    async def _ask(self, line: asyncio.Semaphore, do: str, limit_ms: int, late: str, said: Mapping[str, Any]) -> Any:
        async with line:
            if self._over:
                raise WorkersClosed("the session is over")
            try:
                answer = await self._process.ask(do, limit_ms / 1000, late, **said)
                if passed := self._passed():
                    raise passed
                return answer
            except CodeFault as fault:
                if fault.error_class not in SURVIVED:
                    self._process.kill(fault)
                raise
