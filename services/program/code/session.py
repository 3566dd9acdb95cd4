"""One use of a code worker: prepare, run, score."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.values import Json
from services.program.code.contract import Ran, Scored


class Session:
    """A program and metrics, loaded in a process of their own, for as long as they are needed."""

    runs_at_once: int = 1
    """How many runs may overlap; more than one for async programs only. Others wait in line, on nobody's clock."""

    async def prepare(self, examples: Sequence[Mapping[str, Any]], parameters: Mapping[str, Json]) -> None:
        """Lets the program learn from the training examples; programs that do not learn are ready as they are."""
        raise NotImplementedError

    async def run(self, inputs: Mapping[str, Json], parameters: Mapping[str, Json], seed: int) -> Ran:
        """Runs the program once; after EXCEPTION and BAD_OUTPUT the session goes on, other faults end it."""
        raise NotImplementedError

    async def score(
        self,
        metric: str,
        example: Mapping[str, Any],
        prediction: Mapping[str, Any],
        trace: Mapping[str, Json] | None,
        params: Mapping[str, Json],
    ) -> Scored:
        """Scores an answer; a score that breaks the metric's promise is a METRIC fault."""
        raise NotImplementedError
