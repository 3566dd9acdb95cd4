"""Keeps an evaluation's results: each batch with the evaluation's counts in one fenced statement."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.aggregation import Aggregate, Aggregation, aggregate
from domain.metrics import Measure
from framework.errors import AlreadyExists
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database, as_json
from services.program.code.contract import CodeFault
from services.program.judging import Finished
from services.program.resources.execution import PAUSED
from services.program.running import class_column
from services.program.working import LeaseLost, Row, names_of

# One statement, so that a result, its sequence and the counts commit together or not at all. The update locks the
# evaluation's row: sequences have no gap and follow the order of commitment. What was answered when the evaluation was
# paused is kept as long as nobody else has claimed it: a pause is one token on, and a claim another.
_KEEP = """
WITH counted AS (
    UPDATE evaluations SET
        finished_count = finished_count + %(count)s, failed_count = failed_count + %(failed)s,
        input_tokens = input_tokens + %(input_tokens)s, output_tokens = output_tokens + %(output_tokens)s,
        cost_micros = cost_micros + %(cost_micros)s,
        metric_input_tokens = metric_input_tokens + %(metric_input_tokens)s,
        metric_output_tokens = metric_output_tokens + %(metric_output_tokens)s,
        metric_cost_micros = metric_cost_micros + %(metric_cost_micros)s,
        cost_incomplete = cost_incomplete OR %(cost_incomplete)s, scores = %(scores)s,
        mean_latency_ms = %(latency_mean)s, latency_p50_ms = %(latency_p50)s, latency_p95_ms = %(latency_p95)s
    WHERE organization_id = %(organization)s AND id = %(id)s
      AND (fencing_token, status) IN ((%(token)s, 'WORK_STATUS_RUNNING'), (%(token)s + 1, 'WORK_STATUS_PAUSED'))
    RETURNING finished_count - %(count)s AS before, status
)
INSERT INTO evaluation_results (organization_id, id, evaluation_id, sequence, example_id, repeat, outputs, scores,
                                error, error_class, feedback, feedback_by_slot, latency_ms,
                                input_tokens, output_tokens, cost_micros,
                                metric_input_tokens, metric_output_tokens, metric_cost_micros)
SELECT %(organization)s, r.id, %(id)s, counted.before + r.place, r.example_id, %(repeat)s, r.outputs, r.scores, r.error,
       r.error_class, r.feedback, r.feedback_by_slot, r.latency_ms, r.input_tokens, r.output_tokens, r.cost_micros,
       r.metric_input_tokens, r.metric_output_tokens, r.metric_cost_micros
FROM counted, jsonb_to_recordset(%(results)s) AS r (
    place bigint, id uuid, example_id uuid, outputs jsonb, scores jsonb, error text,
    error_class text, feedback jsonb, feedback_by_slot jsonb, latency_ms double precision,
    input_tokens bigint, output_tokens bigint, cost_micros bigint,
    metric_input_tokens bigint, metric_output_tokens bigint, metric_cost_micros bigint)
RETURNING (SELECT status FROM counted) AS status
"""
KEEPING = Failpoint("result.keeping", "results stand in a transaction that is not committed")
_TOOK = ("input_tokens", "output_tokens", "cost_micros")
_LATENCIES: tuple[Aggregation, ...] = ("mean", "p50", "p95")
_KEPT = """
SELECT example_id, scores, latency_ms, error, error_class, feedback FROM evaluation_results
WHERE organization_id = %(organization)s AND evaluation_id = %(id)s ORDER BY sequence
"""


class Unmeasured(Exception):  # noqa: N818 - what happened
    """No example gave a measure a value; the class is that of the first failure."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class GivenUp(Exception):  # noqa: N818 - what happened
    """More examples failed than may fail; the class is that of the first failure."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class Results:
    """The results of one evaluation under one lease: which examples are finished, and what each measure comes to."""

    def __init__(self, database: Database, evaluation: Row) -> None:
        self.database = database
        self.evaluation = evaluation
        self.finished: set[UUID] = set()
        self.first_failure: tuple[str, str] | None = None
        """The class and the words of the first example that failed."""
        self._instead: dict[str, str] = {}
        """What a metric first said in the place of a score."""
        self._failed = 0
        self._in_a_row = 0
        self._scores: dict[str, Aggregate] = {}
        self._latency = {how: aggregate(how) for how in _LATENCIES}

    async def load(self, measures: Sequence[Measure]) -> None:
        """Begins to measure, and reads what earlier workers finished: none of it is run again."""
        self._scores = {measure.name: aggregate(measure.aggregation) for measure in measures}
        if not self.evaluation["finished_count"]:  # by the row as it was claimed, which nobody else adds to since
            return
        async with self.database.system() as tx:
            for row in await tx.fetch(_KEPT, names_of(self.evaluation)):
                failure = (row["error_class"].removeprefix("ERROR_CLASS_"), row["error"]) if row["error"] else None
                self._note(failure)
                self._hear(row["scores"], row["feedback"])
                self._count(row["example_id"], row["scores"], row["latency_ms"], failed=failure is not None)

    def note(self, finished: Finished) -> None:
        """Takes notice of what is finished, committed or not: too many failures end an evaluation at once."""
        outcome = finished.outcome
        self._note((outcome.error_class, outcome.error) if outcome.outputs is None else None)
        self._hear(finished.scores, finished.feedback)

    def _hear(self, scores: Mapping[str, float], feedback: Mapping[str, str] | None) -> None:
        for name in (feedback or {}).keys() - scores.keys():
            self._instead.setdefault(name, (feedback or {})[name])

    def _note(self, failure: tuple[str, str] | None) -> None:
        self._failed += failure is not None
        self._in_a_row = 0 if failure is None else self._in_a_row + 1
        self.first_failure = self.first_failure or failure

    def _count(self, example_id: UUID, scores: Mapping[str, float], latency_ms: float, *, failed: bool) -> None:
        if example_id in self.finished:  # a commit that is tried again
            return
        self.finished.add(example_id)
        if failed:  # no zero: rows of before there were such may hold a worst score
            return
        for name in self._scores.keys() & scores.keys():
            self._scores[name].add(scores[name])
        for latency in self._latency.values():
            latency.add(latency_ms)

    @property
    def scores(self) -> dict[str, float]:
        """What each measure comes to over what is finished; those without any value are left out.

        Raises CodeFault when the sum of finite scores is none.
        """
        return dict(self._scores_known())

    def _scores_known(self) -> Iterator[tuple[str, float]]:
        for name, total in self._scores.items():
            try:
                value = total.value()
            except OverflowError:
                raise CodeFault("METRIC", f"the sum of {name} over the examples is beyond all numbers") from None
            if value is not None:
                yield name, value

    @property
    def spent(self) -> bool:
        """Whether more examples failed than may fail, in all or in a row."""
        return self._too_many_in_a_row or self._too_many

    @property
    def _too_many_in_a_row(self) -> bool:
        most = self.evaluation["max_consecutive_failures"]
        return bool(most) and self._in_a_row >= most

    @property
    def _too_many(self) -> bool:
        return bool(self._failed > self.evaluation["error_budget"] * self.evaluation["example_count"])

    def check_budget(self) -> None:
        """Raises GivenUp when more examples failed than may fail."""
        if self.first_failure is None or not self.spent:
            return
        kind, words = self.first_failure
        if self._too_many_in_a_row:
            raise GivenUp(kind, f"{self._in_a_row} examples in a row failed, the first of all by: {words}")
        share, count = f"{self.evaluation['error_budget']:.0%}", self.evaluation["example_count"]
        raise GivenUp(kind, f"{self._failed} of {count} examples failed, more than {share}; the first by: {words}")

    def check_measured(self) -> None:
        """Raises Unmeasured when there is a measure that no example gave a value."""
        unmeasured = self._scores.keys() - self.scores.keys()
        if unmeasured:
            said = next((self._instead[name] for name in sorted(unmeasured) if name in self._instead), "")
            kind, words = self.first_failure or ("METRIC", said or "there was no example")
            raise Unmeasured(kind, f"no example gave a value of {', '.join(sorted(unmeasured))}: {words}")

    async def keep(self, batch: Sequence[Finished], *, again: bool = False) -> None:
        """Commits results; raises LeaseLost when the work is no longer this worker's.

        Nothing is written then, unless the work was halted and is nobody's yet: what was answered is paid for.
        `again` says that this was tried before without an answer: what is there already was written then.
        """
        for one in batch:
            self._count(one.example_id, one.scores, one.outcome.latency_ms, failed=one.outcome.outputs is None)
        try:
            async with self.database.system() as tx:
                written = await tx.fetch(_KEEP, names_of(self.evaluation) | self._parameters(batch))
                KEEPING()
        except AlreadyExists:
            if again:
                return
            raise
        if len(written) != len(batch) or written[0]["status"] == PAUSED:
            raise LeaseLost

    def _parameters(self, batch: Sequence[Finished]) -> dict[str, Any]:
        outcomes = [one.outcome for one in batch]
        return {
            "repeat": self.evaluation["repeat"],
            "count": len(batch),
            "failed": sum(outcome.outputs is None for outcome in outcomes),
            "input_tokens": sum(outcome.input_tokens for outcome in outcomes),
            "output_tokens": sum(outcome.output_tokens for outcome in outcomes),
            "cost_micros": sum(outcome.cost_micros for outcome in outcomes),
            **{f"metric_{what}": sum(one.took(what) for one in batch) for what in _TOOK},
            "cost_incomplete": any(one.cost_incomplete for one in batch),
            **{f"latency_{how}": total.value() or 0.0 for how, total in self._latency.items()},
            "scores": as_json(self.scores),
            "results": as_json([_written(i, one) for i, one in enumerate(batch, start=1)]),
        }


def _written(place: int, one: Finished) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "place": place,
        "id": str(new_id()),
        "example_id": str(one.example_id),
        "outputs": None if outcome.outputs is None else dict(outcome.outputs),
        "scores": one.scores,
        "error": outcome.error,
        "error_class": class_column(outcome.error_class),
        "feedback": one.feedback,
        "feedback_by_slot": one.feedback_by_slot,
        "latency_ms": outcome.latency_ms,
        "input_tokens": outcome.input_tokens,
        "output_tokens": outcome.output_tokens,
        "cost_micros": outcome.cost_micros,
        **{f"metric_{what}": one.took(what) for what in _TOOK},
    }
