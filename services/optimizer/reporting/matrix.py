"""The best candidates of a run, example by example."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1.pareto_front_pb2 import ParetoFront
from ashgrove.optimizer.v1.run_report_pb2 import CandidateMatrix
from ashgrove.program.v1.evaluation_requests_pb2 import GetEvaluationMatrixRequest, MatrixCell, MatrixRow

from domain.objectives import standing
from framework.engine import Call
from framework.errors import NoResultYet
from framework.rpc.peer_failures import from_peer
from services.optimizer.objectives import names_of, objectives_of
from services.optimizer.resources import NOTHING_YET, is_external

MOST_CANDIDATES = 12
MOST_EXAMPLES = 100
_COMPLETE = "STATUS_COMPLETED"
_MEASURES = ("cost", "latency_ms")
# Repeats of an example are one: their mean.
_REPORTED = """
SELECT trial_id, example_id, min(position) AS position, bool_and(reported ? 'error') AS failed,
       avg((reported -> 'scores' ->> %(metric)s)::float8) AS score
FROM trial_examples WHERE organization_id = %(organization)s AND trial_id = ANY(%(trials)s)
GROUP BY trial_id, example_id ORDER BY position
"""
Row = Mapping[str, Any]


async def matrix(call: Call, run: Row, trials: Sequence[Row], front: ParetoFront) -> CandidateMatrix:
    """Returns how the best candidates did; raises NoResultYet while no trial is complete."""
    chosen = _chosen(run, trials, front)
    if not chosen:
        raise NoResultYet(NOTHING_YET, run_id=str(run["id"]))
    metric = next((each for each in names_of(run) if each not in _MEASURES), "")
    made = CandidateMatrix(metric=metric, trial_numbers=[each["number"] for each in chosen])
    rows = await (_reported if is_external(run) else _evaluated)(call, chosen, metric)
    made.rows.extend(rows[:MOST_EXAMPLES])
    made.truncated = len(rows) > MOST_EXAMPLES
    return made


def _chosen(run: Row, trials: Sequence[Row], front: ParetoFront) -> list[Row]:
    """Returns the candidates: the best, then those of the front, then others by their standing."""
    objectives = objectives_of(run)
    members = {each.trial_number for each in front.points}
    # Trials with one evaluation are one candidate: copies of each other.
    done = {each["evaluation_id"] or each["id"]: each for each in reversed(trials) if each["status"] == _COMPLETE}
    return sorted(
        done.values(),
        key=lambda each: (
            each["id"] != run["best_trial_id"],
            each["number"] not in members,
            standing(each["objectives"], objectives),
            each["number"],
        ),
    )[:MOST_CANDIDATES]


async def _evaluated(call: Call, chosen: Sequence[Row], metric: str) -> list[MatrixRow]:
    ids = [str(each["evaluation_id"]) for each in chosen]
    # One more than is shown says whether there are more.
    asked = GetEvaluationMatrixRequest(evaluation_ids=ids, metric=metric, page_size=MOST_EXAMPLES + 1)
    with from_peer("program"):
        return list((await call.application.program.GetEvaluationMatrix(asked)).rows)


async def _reported(call: Call, chosen: Sequence[Row], metric: str) -> list[MatrixRow]:
    """Returns what clients reported, in the order in which they first told of the examples."""
    ids: list[UUID] = [each["id"] for each in chosen]
    asked = {"organization": call.context.organization_id, "trials": ids, "metric": metric}
    rows = await call.reads().fetch(_REPORTED, asked)
    cells = {(row["trial_id"], row["example_id"]): row for row in rows}
    examples = list(dict.fromkeys(row["example_id"] for row in rows))[: MOST_EXAMPLES + 1]
    return [
        MatrixRow(example_id=example, position=place, cells=[_cell(cells.get((each, example))) for each in ids])
        for place, example in enumerate(examples)
    ]


def _cell(row: Row | None) -> MatrixCell:
    if row is None:
        return MatrixCell()
    return MatrixCell(finished=True, score=None if row["failed"] else row["score"])
