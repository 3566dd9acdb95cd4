"""Scores what a program made of an example, by the metrics that come with the platform and by registered ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.metrics import METRICS, Measure
from domain.values import Invalid, Json, normalise
from services.program.running import Outcome

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """One example, what the program made of it, and how good that is."""

    example_id: UUID
    outcome: Outcome
    scores: Mapping[str, float]
    feedback: Mapping[str, str] = field(default_factory=dict)


class Judge:
    """Judges every outcome of one evaluation by its measures."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self.measures = measures

    async def judged(self, example: Row, outcome: Outcome) -> Finished:
        """Scores an outcome; a failure, and what cannot be kept, gets each metric's worst value if there is one."""
        if outcome.outputs is not None:
            try:
                return self._scored(example, outcome, normalise(dict(outcome.outputs)))
            except Invalid as invalid:
                outcome = outcome.failed(f"the outputs cannot be kept: {invalid}", "BAD_OUTPUT")
        return Finished(example["id"], outcome, {m.name: m.worst for m in self.measures if m.worst is not None})

    def _scored(self, example: Row, outcome: Outcome, outputs: dict[str, Json]) -> Finished:
        expected = {name: value for name, value in example["outputs"].items() if name in outputs}
        scores = {m.name: METRICS[m.name].score(expected, outputs, {}) for m in self.measures}
        return Finished(example["id"], outcome, scores)
