"""Evaluations laid beside each other: item by item with a paired test, and as a matrix."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ashgrove.program.v1.evaluation_requests_pb2 import (
    ComparedItem,
    CompareEvaluationsRequest,
    CompareEvaluationsResponse,
    GetEvaluationMatrixRequest,
    GetEvaluationMatrixResponse,
    MatrixCell,
    MatrixRow,
)
from ashgrove.program.v1.metric_pb2 import Metric

from domain.metrics import BUILT_IN
from domain.metrics.pairing import paired
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.resource import action, spec_of
from framework.storage import Transaction, codec_of
from services.program.catalogue import base_of
from services.program.resources.evaluation import Evaluation, EvaluationResult

Row = Mapping[str, Any]
MOST_ITEMS = 100_000
_USUAL_ITEMS, _USUAL_ROWS = 20, 100
# Repeats of an example are one item: their mean.
_SCORES = """
SELECT r.example_id, e.position, avg((r.scores ->> %(metric)s)::double precision) AS score
FROM evaluation_results r
JOIN examples e ON e.organization_id = r.organization_id AND e.id = r.example_id
WHERE r.organization_id = %(organization)s AND r.evaluation_id = %(evaluation)s AND r.error = ''
GROUP BY r.example_id, e.position
LIMIT %(most)s
"""
_PLACES = """
SELECT e.id, e.position FROM examples e
WHERE e.organization_id = %(organization)s AND e.dataset_id = %(dataset)s AND e.position >= %(position)s
  AND EXISTS (SELECT FROM evaluation_results r WHERE r.organization_id = e.organization_id AND r.example_id = e.id
              AND r.evaluation_id = ANY(%(evaluations)s))
ORDER BY e.position LIMIT %(limit)s
"""
_CELLS = """
SELECT example_id, evaluation_id, scores, error_class FROM evaluation_results
WHERE organization_id = %(organization)s AND evaluation_id = ANY(%(evaluations)s) AND example_id = ANY(%(examples)s)
ORDER BY repeat DESC
"""


@action(Evaluation, "CompareEvaluations")
async def compare(call: Call, request: CompareEvaluationsRequest) -> CompareEvaluationsResponse:
    """Returns how an evaluation compares with a baseline, over the examples that both have scored."""
    async with call.transaction() as tx:
        base = await call.row(Evaluation, request.base_evaluation_id)
        other = await call.row(Evaluation, request.evaluation_id)
        _same(("dataset_id", "split"), [base, other])
        metric = _metric(request.metric, base, other)
        before, after = await _scores(tx, base, metric), await _scores(tx, other, metric)
    direction = _direction(metric, other)
    answer = CompareEvaluationsResponse(metric=metric, direction=direction)
    both = sorted(before.keys() & after.keys())
    answer.paired_count = len(both)
    answer.only_base_count, answer.only_other_count = len(before) - len(both), len(after) - len(both)
    if both:
        _tell(answer, [before[item] for item in both], [after[item] for item in both], request.seed)
    answer.items.extend(_items(before, after, request.item_count or _USUAL_ITEMS))
    return answer


def _tell(answer: CompareEvaluationsResponse, before: Sequence[float], after: Sequence[float], seed: int) -> None:
    differences = [now - then for then, now in zip(before, after, strict=True)]
    sign = -1 if answer.direction == Metric.DIRECTION_MINIMIZE else 1
    answer.better_count = sum(sign * each > 0 for each in differences)
    answer.worse_count = sum(sign * each < 0 for each in differences)
    answer.equal_count = len(differences) - answer.better_count - answer.worse_count
    answer.base_mean, answer.mean = math.fsum(before) / len(before), math.fsum(after) / len(after)
    found = paired(differences, seed)
    answer.difference, answer.low, answer.high = found.difference, found.low, found.high
    answer.p_value = found.p_value


def _items(before: Mapping[Any, float], after: Mapping[Any, float], most: int) -> list[ComparedItem]:
    """Returns the items that differ most; those that only one has come last."""

    def order(item: tuple[int, UUID]) -> tuple[bool, float, int]:
        alone = item not in before or item not in after
        return alone, 0.0 if alone else -abs(after[item] - before[item]), item[0]

    found = sorted(before.keys() | after.keys(), key=order)[:most]
    return [
        ComparedItem(example_id=str(item[1]), position=item[0], base_score=before.get(item), score=after.get(item))
        for item in found
    ]


async def _scores(tx: Transaction, evaluation: Row, metric: str) -> dict[tuple[int, UUID], float]:
    names = {"organization": evaluation["organization_id"], "evaluation": evaluation["id"], "metric": metric}
    rows = await tx.fetch(_SCORES, names | {"most": MOST_ITEMS})
    return {(row["position"], row["example_id"]): row["score"] for row in rows if row["score"] is not None}


def _metric(wanted: str, *evaluations: Row) -> str:
    """Returns the metric that all have; raises InvalidFields when there is none."""
    shared = [name for name in _measured(evaluations[0]) if all(name in _measured(each) for each in evaluations)]
    if wanted and wanted not in shared:
        told = f"must be a metric of both; there are {', '.join(shared) or 'none'}"
        raise InvalidFields(FieldViolation("metric", told))
    if not shared:
        raise IllegalState("the evaluations share no metric; legal: compare two of the same metric", status="COMPLETED")
    return wanted or shared[0]


def _measured(evaluation: Row) -> list[str]:
    """Returns what an evaluation measured, its own first metric first; parts are known by its scores."""
    return list(dict.fromkeys([*evaluation["metrics"], *sorted(evaluation["scores"] or {})]))


def _direction(metric: str, evaluation: Row) -> Metric.Direction.ValueType:
    """Returns which way a metric is better: a registered one's is told by an evaluation that was led by it."""
    if metric == evaluation["metrics"][0] and evaluation["direction"]:
        return Metric.Direction.Value(evaluation["direction"])
    measure = BUILT_IN.get(metric)
    minimize = measure is not None and measure.direction == "minimize"
    return Metric.DIRECTION_MINIMIZE if minimize else Metric.DIRECTION_MAXIMIZE


def _same(names: Sequence[str], evaluations: Sequence[Row]) -> None:
    different = [name for name in names if len({row[name] for row in evaluations}) > 1]
    if different:
        raise IllegalState(
            f"the evaluations differ in {' and '.join(different)}, so that their items are no pairs; "
            "legal: choose evaluations over the same examples",
            fields=",".join(different),
        )


@action(Evaluation, "GetEvaluationMatrix")
async def matrix(call: Call, request: GetEvaluationMatrixRequest) -> GetEvaluationMatrixResponse:
    """Returns a page of examples by evaluations."""
    limit = request.page_size or _USUAL_ROWS
    async with call.transaction() as tx:
        evaluations = [await call.row(Evaluation, identifier) for identifier in request.evaluation_ids]
        _same(("dataset_id",), evaluations)
        _refuse_unmeasured(request.metric, evaluations)
        names = {
            "organization": call.context.organization_id,
            "dataset": evaluations[0]["dataset_id"],
            "evaluations": [row["id"] for row in evaluations],
            "position": request.from_position,
            "limit": limit + 1,
        }
        places = await tx.fetch(_PLACES, names)
        rows = await tx.fetch(_CELLS, names | {"examples": [place["id"] for place in places[:limit]]})
    found = {(row["example_id"], row["evaluation_id"]): row for row in rows}
    answer = GetEvaluationMatrixResponse(next_position=places[limit]["position"] if len(places) > limit else 0)
    for place in places[:limit]:
        cells = [_cell(found.get((place["id"], e["id"])), request.metric or e["metrics"][0]) for e in evaluations]
        answer.rows.append(MatrixRow(example_id=str(place["id"]), position=place["position"], cells=cells))
    return answer


def _refuse_unmeasured(metric: str, evaluations: Sequence[Row]) -> None:
    """Raises InvalidFields for a metric that none of the evaluations measures; of one under way no parts are known."""
    there = dict.fromkeys(name for each in evaluations for name in _measured(each))
    if metric and metric not in there and base_of(metric) not in there:
        raise InvalidFields(FieldViolation("metric", f"none of them measures it; there are {', '.join(there)}"))


def _cell(row: Row | None, metric: str) -> MatrixCell:
    if row is None:
        return MatrixCell()
    result = codec_of(spec_of(EvaluationResult)).message(row)
    failed = bool(result.error_class)
    return MatrixCell(
        finished=True, error_class=result.error_class, score=None if failed else result.scores.get(metric)
    )
