"""Runs laid beside each other: what each reached, for how much, and whether their bests differ example by example."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1 import run_comparison_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective as Message
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.repeats_pb2 import RepeatedTrial
from ashgrove.program.v1.evaluation_requests_pb2 import CompareEvaluationsRequest
from google.protobuf.field_mask_pb2 import FieldMask

from domain.objectives import Objective, best
from domain.strategies import Observation
from framework.engine import Call
from framework.errors import Failure, FieldViolation, IllegalState, InvalidFields
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from services.optimizer.objectives import objectives_of
from services.optimizer.repeating import fresh
from services.optimizer.resources import OptimizationRun

_VERB = "CompareOptimizationRuns"
_FIGURES = FieldMask(
    paths=[
        *("id", "name", "strategy", "status", "metric_calls", "tokens", "cost_micros", "duration_seconds"),
        *("hypervolume", "hypervolume_margin"),
    ]
)
_TRIALS = """
SELECT id, number, status, objectives, evaluation_id, origin FROM trials
WHERE organization_id = %(organization_id)s AND optimization_run_id = %(id)s
  AND status IN ('STATUS_COMPLETED', 'STATUS_FAILED', 'STATUS_DROPPED')
ORDER BY completed_at, number
"""
_FREE = ("threshold", "reference", "only_bounds")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Found:
    """One run with its trials, in the order in which they ended."""

    run: Run
    trials: Sequence[Row]
    objectives: Sequence[Objective]
    """Its objectives, the one that is compared first."""
    fresh: Mapping[str, RepeatedTrial]
    """What its best were found to be when they were evaluated afresh, by trial."""

    @property
    def own(self) -> list[Row]:
        """The trials that it has tried itself."""
        return [each for each in self.trials if each["origin"] != "ORIGIN_INHERITED"]

    @property
    def renewed(self) -> list[Row]:
        """The trials that were evaluated afresh, with what they reached then."""
        return [
            {**each, "objectives": dict(known.objectives), "evaluation_id": known.evaluation_ids[0]}
            for each in self.trials
            if (known := self.fresh.get(str(each["id"]))) is not None
        ]

    def best(self, own: int | None = None) -> Row | None:
        """Returns the best trial, of those that it inherited and the first so many of its own."""
        tried = self.renewed or self.trials if own is None else self._until(own)
        complete = {each["number"]: each for each in tried if each["status"] == "STATUS_COMPLETED"}
        seen = [Observation(number, {}, each["objectives"]) for number, each in complete.items()]
        found = best(seen, self.objectives)
        return None if found is None else complete[found.number]

    def _until(self, own: int) -> list[Row]:
        kept = {each["number"] for each in self.own[:own]}
        return [each for each in self.trials if each["number"] in kept or each["origin"] == "ORIGIN_INHERITED"]


@action(OptimizationRun, _VERB)
async def compare(call: Call, request: pb.CompareOptimizationRunsRequest) -> pb.CompareOptimizationRunsResponse:
    """Returns the runs beside each other; see `CompareOptimizationRuns` for what is refused."""
    rows = [await call.row(OptimizationRun, each, _VERB) for each in request.optimization_run_ids]
    objective = _objective(rows, request.objective)
    found = [await _read(call, row, objective["metric"]) for row in rows]
    equal = min(len(each.own) for each in found)
    first = found[0].best()
    answer = pb.CompareOptimizationRunsResponse(objective=objective["metric"], equal_trials=equal)
    answer.direction = Message.Direction.Value(objective["direction"])
    for at, each in enumerate(found):
        made = _compared(each, objective["metric"], equal)
        if at and (paired := await _paired(call, first, each.best(), objective["metric"])) is not None:
            made.paired.CopyFrom(paired)
        answer.runs.append(made)
    return answer


def _objective(rows: Sequence[Row], wanted: str) -> Row:
    """Returns the objective that all have, measured alike on the same examples; raises IllegalState, InvalidFields."""
    known = [{each["metric"]: each for each in row["objectives"]} for row in rows]
    metric = wanted or rows[0]["objectives"][0]["metric"]
    if wanted and wanted not in known[0]:
        raise InvalidFields(FieldViolation("objective", f"is none of the first run, which has {', '.join(known[0])}"))
    different = [name for name in ("dataset_id", "dataset_revision") if len({row[name] for row in rows}) > 1]
    alike = [_measured(each.get(metric)) for each in known]
    different += [f"objectives.{metric}"] if any(each != alike[0] for each in alike) else []
    if different:
        told = f"the runs differ in {' and '.join(different)}: what they reached is not comparable"
        raise IllegalState(told, resource="optimization_run", fields=",".join(different))
    found: Row = known[0][metric]
    return found


def _measured(objective: Row | None) -> Row | None:
    return objective and {name: value for name, value in objective.items() if name not in _FREE}


async def _read(call: Call, row: Row, metric: str) -> _Found:
    run = await call.get(OptimizationRun, str(row["id"]), mask=_FIGURES)
    async with call.transaction() as tx:
        trials = await tx.fetch(_TRIALS, row)
    objectives = sorted(objectives_of(row), key=lambda each: each.name != metric)
    return _Found(run, trials, objectives, fresh(row))


def _compared(found: _Found, metric: str, equal: int) -> pb.ComparedRun:
    run, reached, early = found.run, found.best(), found.best(equal)
    made = pb.ComparedRun(
        optimization_run_id=run.id,
        name=run.name,
        strategy=run.strategy,
        status=run.status,
        ended_trials=len(found.own),
        metric_calls=run.metric_calls,
        tokens=run.tokens,
        cost_micros=run.cost_micros,
        duration_seconds=run.duration_seconds if run.HasField("duration_seconds") else None,
        hypervolume=run.hypervolume if run.HasField("hypervolume") else None,
        hypervolume_margin=run.hypervolume_margin if run.HasField("hypervolume_margin") else None,
        value_at_equal_trials=early["objectives"][metric] if early else None,
    )
    if reached is not None:
        made.best_trial_id, made.best_trial_number = str(reached["id"]), reached["number"]
        made.best_value = reached["objectives"][metric]
    return made


async def _paired(call: Call, first: Row | None, other: Row | None, metric: str) -> pb.PairedComparison | None:
    """Returns how two trials differ on the examples of both; None where nothing was scored example by example."""
    if first is None or other is None or None in (first["evaluation_id"], other["evaluation_id"]):
        return None
    request = CompareEvaluationsRequest(
        base_evaluation_id=str(first["evaluation_id"]),
        evaluation_id=str(other["evaluation_id"]),
        metric=metric,
        item_count=1,
    )
    with suppress(Failure), from_peer("program"):
        found = await call.application.program.CompareEvaluations(request)
        if found.paired_count:
            names = [each.name for each in pb.PairedComparison.DESCRIPTOR.fields]
            return pb.PairedComparison(**{name: getattr(found, name) for name in names})
    return None
