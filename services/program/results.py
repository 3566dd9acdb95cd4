"""Keeps an evaluation's results: each batch with the evaluation's counts in one fenced statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.metrics import METRICS
from domain.values import Invalid, Json, normalise
from framework.identifiers import new_id
from framework.storage import Database
from services.program.running import Outcome
from services.program.working import LeaseLost, Row, names_of

# One statement, so that a result, its sequence and the counts commit together or not at all. The update locks the
# evaluation's row: sequences have no gap and follow the order of commitment.
_KEEP = """
WITH counted AS (
    UPDATE evaluations SET
        finished_count = finished_count + %(count)s, failed_count = failed_count + %(failed)s,
        input_tokens = input_tokens + %(input_tokens)s, output_tokens = output_tokens + %(output_tokens)s,
        cost_micros = cost_micros + %(cost_micros)s, scores = %(scores)s,
        mean_latency_ms = (mean_latency_ms * finished_count + %(latency_ms)s) / (finished_count + %(count)s)
    WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = %(token)s
      AND status = 'WORK_STATUS_RUNNING'
    RETURNING finished_count - %(count)s AS before
)
INSERT INTO evaluation_results (organization_id, id, evaluation_id, sequence, example_id, repeat, outputs, scores,
                                error, latency_ms, input_tokens, output_tokens, cost_micros)
SELECT %(organization)s, r.id, %(id)s, counted.before + r.place, r.example_id, 0, r.outputs, r.scores, r.error,
       r.latency_ms, r.input_tokens, r.output_tokens, r.cost_micros
FROM counted, jsonb_to_recordset(%(results)s) AS r (
    place bigint, id uuid, example_id uuid, outputs jsonb, scores jsonb, error text,
    latency_ms double precision, input_tokens bigint, output_tokens bigint, cost_micros bigint)
"""
_KEPT = """
SELECT example_id, scores FROM evaluation_results
WHERE organization_id = %(organization)s AND evaluation_id = %(id)s
"""


@dataclass(frozen=True)
class Finished:
    """One example and what the program made of it."""

    example_id: UUID
    outcome: Outcome
    scores: Mapping[str, float]


def judged(example: Row, outcome: Outcome, metrics: Sequence[str]) -> Finished:
    """Scores an outcome; a failure, and an answer that cannot be stored, get each metric's worst value."""
    if outcome.outputs is not None:
        try:
            return _scored(example, outcome, normalise(dict(outcome.outputs)), metrics)
        except Invalid as invalid:
            outcome = outcome.failed(f"the model's answer cannot be kept: {invalid}")
    return Finished(example["id"], outcome, {name: METRICS[name].worst for name in metrics})


def _scored(example: Row, outcome: Outcome, outputs: dict[str, Json], metrics: Sequence[str]) -> Finished:
    expected = {name: value for name, value in example["outputs"].items() if name in outputs}
    return Finished(example["id"], outcome, {name: METRICS[name].score(expected, outputs, {}) for name in metrics})


class Results:
    """The results of one evaluation under one lease: which examples are finished, and the mean of each metric."""

    def __init__(self, database: Database, evaluation: Row) -> None:
        self.database = database
        self.evaluation = evaluation
        self.finished: set[UUID] = set()
        self._sums: dict[str, float] = dict.fromkeys(evaluation["metrics"], 0.0)

    async def load(self) -> None:
        """Reads what earlier workers finished: none of it is run again."""
        async with self.database.system() as tx:
            for row in await tx.fetch(_KEPT, names_of(self.evaluation)):
                self._count(row["example_id"], row["scores"])

    def _count(self, example_id: UUID, scores: Mapping[str, float]) -> None:
        self.finished.add(example_id)
        for name in self._sums:
            self._sums[name] += scores[name]

    @property
    def means(self) -> dict[str, float]:
        """The mean of each metric over what is finished; empty when nothing is."""
        return {name: total / len(self.finished) for name, total in self._sums.items()} if self.finished else {}

    async def keep(self, batch: Sequence[Finished]) -> None:
        """Commits results; raises LeaseLost, with nothing written, when the work is no longer this worker's."""
        for one in batch:
            self._count(one.example_id, one.scores)
        async with self.database.system() as tx:
            written = await tx.execute(_KEEP, names_of(self.evaluation) | self._parameters(batch))
        if written != len(batch):
            raise LeaseLost

    def _parameters(self, batch: Sequence[Finished]) -> dict[str, Any]:
        outcomes = [one.outcome for one in batch]
        return {
            "count": len(batch),
            "failed": sum(outcome.outputs is None for outcome in outcomes),
            "input_tokens": sum(outcome.input_tokens for outcome in outcomes),
            "output_tokens": sum(outcome.output_tokens for outcome in outcomes),
            "cost_micros": sum(outcome.cost_micros for outcome in outcomes),
            "latency_ms": sum(outcome.latency_ms for outcome in outcomes),
            "scores": Jsonb(self.means),
            "results": Jsonb([_written(i, one) for i, one in enumerate(batch, start=1)]),
        }


def _written(place: int, one: Finished) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "place": place,
        "id": str(new_id()),
        "example_id": str(one.example_id),
        "outputs": None if outcome.outputs is None else dict(outcome.outputs),
        "scores": dict(one.scores),
        "error": outcome.error,
        "latency_ms": outcome.latency_ms,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "cost_micros": outcome.cost_micros,
    }
