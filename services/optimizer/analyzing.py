"""Which variables mattered in runs: their trials, read under the caller's rights, analyzed once a state of the runs."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import variable_importance_pb2 as pb
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest

from domain.differing import Verdict, verdict
from domain.importance import INTERVAL, Estimate, Importance, TooFew, importance, least_trials
from domain.objectives import Objective
from domain.space import Space
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NoResultYet
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from framework.structs import value_of
from services.optimizer.objectives import objectives_of
from services.optimizer.resources import OptimizationRun
from services.optimizer.spaces import space_of

_VERB = "AnalyzeVariableImportance"
_IDS = "optimization_run_ids"
_REMEMBERED = 64
_TRIALS = """
SELECT configuration, CASE WHEN status = 'STATUS_COMPLETED' THEN objectives -> %(metric)s END AS reached
FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = ANY(%(runs)s)
  AND status IN ('STATUS_COMPLETED', 'STATUS_FAILED', 'STATUS_CANCELLED')
ORDER BY optimization_run_id, number
"""
_Trials = list[tuple[Mapping[str, Any], float | None]]


@action(OptimizationRun, _VERB)
async def analyze(call: Call, request: pb.AnalyzeVariableImportanceRequest) -> pb.VariableImportance:
    """Returns what the runs' trials say; see `AnalyzeVariableImportance` for what is refused."""
    runs = [await call.row(OptimizationRun, each, _VERB) for each in request.optimization_run_ids]
    objective = _objective(runs, request.objective)
    space, revision = await _space(call, runs)
    trials = await _trials(call, runs, objective.name)
    key = (request.SerializeToString(deterministic=True), str(call.actor.organization_id), revision, len(trials))
    if (found := _answers.get(key)) is None:
        found = await asyncio.to_thread(_analyzed, space, trials, objective, request)
        found.variable_space_id, found.variable_space_revision = str(runs[0]["variable_space_id"]), revision
        _answers.keep(key, found)
    return found


class _Answers:
    """The latest answers; trials that ended stay as they are, so how many there are says which they are."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, bytes] = OrderedDict()

    def get(self, key: Any) -> pb.VariableImportance | None:
        """Returns an answer that was given before."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return pb.VariableImportance.FromString(self._kept[key])

    def keep(self, key: Any, answer: pb.VariableImportance) -> None:
        """Remembers an answer, and forgets the one that was not asked for the longest."""
        self._kept[key] = answer.SerializeToString()
        if len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)


_answers = _Answers()


def _objective(runs: Sequence[Mapping[str, Any]], metric: str) -> Objective:
    """Returns the objective that is asked about; raises InvalidFields naming the runs that do not have it."""
    wanted = metric or objectives_of(runs[0])[0].name
    found = [next((each for each in objectives_of(run) if each.name == wanted), None) for run in runs]
    lacking = [index for index, each in enumerate(found) if each is None]
    if lacking:
        raise InvalidFields(*(FieldViolation(f"{_IDS}[{each}]", f"has no objective {wanted}") for each in lacking))
    assert found[0] is not None
    return found[0]


async def _space(call: Call, runs: Sequence[Mapping[str, Any]]) -> tuple[Space, int]:
    """Returns the widest of the runs' revisions of their space, as the caller may read it, and its number."""
    first = runs[0]["variable_space_id"]
    strange = [index for index, run in enumerate(runs) if run["variable_space_id"] != first]
    if strange:
        raise InvalidFields(*(FieldViolation(f"{_IDS}[{each}]", "is a run of another space") for each in strange))
    spaces: dict[int, Space] = {}
    for revision in sorted({run["variable_space_revision"] for run in runs}, reverse=True):
        with from_peer("variables"):
            message = await call.application.variables.GetVariableSpace(
                GetVariableSpaceRequest(id=str(first), revision=revision)
            )
        spaces[revision] = await asyncio.to_thread(space_of, message)
    for revision, space in spaces.items():
        if all(verdict(other, space) in (Verdict.SAME, Verdict.WIDER) for other in spaces.values()):
            return space, revision
    newest = max(spaces)
    apart = [index for index, run in enumerate(runs) if run["variable_space_revision"] != newest]
    message = f"is of a revision of the space that revision {newest} neither equals nor contains"
    raise InvalidFields(*(FieldViolation(f"{_IDS}[{each}]", message) for each in apart))


async def _trials(call: Call, runs: Sequence[Mapping[str, Any]], metric: str) -> _Trials:
    """Returns the trials that ended: what was tried and what it reached, None where it reached nothing."""
    asked = {"organization": runs[0]["organization_id"], "runs": [run["id"] for run in runs], "metric": metric}
    rows = await call.reads().fetch(_TRIALS, asked)
    return [(row["configuration"], row["reached"]) for row in rows]


def _analyzed(
    space: Space, trials: _Trials, objective: Objective, request: pb.AnalyzeVariableImportanceRequest
) -> pb.VariableImportance:
    fanova = request.method == request.METHOD_FANOVA
    try:
        found = importance(space, trials, objective, "fanova" if fanova else "ped_anova", pairs=request.interactions)
    except TooFew as few:
        raise NoResultYet(str(few), trials=str(few.count), least=str(few.least)) from None
    return _answer(found, objective, least_trials(space))


def _answer(found: Importance, objective: Objective, least: int) -> pb.VariableImportance:
    methods = pb.AnalyzeVariableImportanceRequest
    return pb.VariableImportance(
        objective=objective.name,
        method=methods.METHOD_FANOVA if found.method == "fanova" else methods.METHOD_PED_ANOVA,
        trial_count=found.trials,
        excluded_count=found.excluded,
        resample_count=found.resamples,
        interval=INTERVAL,
        least_trial_count=least,
        effects=[
            pb.VariableEffect(
                variable=each.key,
                estimate=_estimate(each.estimate),
                trial_count=each.trials,
                curve=[
                    pb.ImportancePoint(value=value_of(point.value), mean=point.mean, low=point.low, high=point.high)
                    for point in each.curve
                ],
                best_region=[value_of(value) for value in each.region],
                best_region_is_range=each.is_range,
            )
            for each in found.effects
        ],
        interactions=[
            pb.VariableInteraction(variables=each.keys, estimate=_estimate(each.estimate))
            for each in found.interactions
        ],
    )


def _estimate(estimate: Estimate) -> pb.ImportanceEstimate:
    return pb.ImportanceEstimate(share=estimate.share, low=estimate.low, high=estimate.high)
