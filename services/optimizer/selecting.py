"""One trial of a run for whoever must run a single configuration, and fronts thinned to what differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetBestConfigurationRequest,
    GetBestConfigurationResponse,
    GetParetoFrontRequest,
)
from ashgrove.optimizer.v1.pareto_front_pb2 import ParetoFront

from domain import selection
from domain.objectives import Objective, best
from domain.pareto import Point
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NoResultYet
from framework.resource import action
from services.optimizer import front
from services.optimizer.objectives import objectives_of
from services.optimizer.repeating import fresh
from services.optimizer.resources import NOTHING_YET, OptimizationRun, Trial

_BEST, _FRONT = "GetBestConfiguration", "GetParetoFront"
_Asked = GetBestConfigurationRequest
_OF = {
    "weights": (_Asked.SELECTION_WEIGHTED, _Asked.SELECTION_TOPSIS),
    "tolerances": (_Asked.SELECTION_LEXICOGRAPHIC,),
}
_RULES = {
    _Asked.SELECTION_WEIGHTED: "the largest weighted sum of gains",
    _Asked.SELECTION_LEXICOGRAPHIC: "the best by the objectives in their order, within tolerances",
    _Asked.SELECTION_KNEE: "the knee of the front",
    _Asked.SELECTION_TOPSIS: "nearest to the best and farthest from the worst of all objectives (TOPSIS)",
}


_COMPLETE = """
SELECT id, number, objectives FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_COMPLETED'
"""


@action(OptimizationRun, _BEST)
async def best_configuration(call: Call, request: GetBestConfigurationRequest) -> GetBestConfigurationResponse:
    """Returns the trial that a rule chooses; raises NoResultYet, with the reason, when there is none to choose from."""
    run = await call.row(OptimizationRun, request.id, _BEST)
    objectives = objectives_of(run)
    if faults := list(_faults(request, objectives)):
        raise InvalidFields(*faults)
    if run["best_trial_id"] is None:
        raise NoResultYet(NOTHING_YET, run_id=request.id)
    if request.selection == _Asked.SELECTION_UNSPECIFIED:
        first = request.objective or objectives[0].name
        reason = f"the best by {first}, trials that keep every threshold first"
        renewed = {identifier: dict(each.objectives) for identifier, each in fresh(run).items()}
        if renewed:
            reason += f": by the means of fresh evaluations of the {len(renewed)} that looked best"
        found = await _best_by(call, run, objectives, first, renewed)
        answer = await _told(call, found, reason)
        answer.objectives.update(renewed.get(found, {}))
        return answer
    members = (await front.read(call, run)).points
    if not members:
        raise NoResultYet("no complete trial keeps every threshold, so that there is no front", run_id=request.id)
    chosen = _chosen([Point(each.trial_number, dict(each.objectives)) for each in members], objectives, request)
    identifier = next(each.trial_id for each in members if each.trial_number == chosen.number)
    return await _told(call, identifier, f"{_RULES[request.selection]}, among {len(members)} trials on the front")


@action(OptimizationRun, _FRONT)
async def pareto_front(call: Call, request: GetParetoFrontRequest) -> ParetoFront:
    """Returns the run's Pareto front with its history, thinned to what differs by more than the epsilons."""
    run = await call.row(OptimizationRun, request.id, _FRONT)
    return _thinned(run, await front.read(call, run), request.epsilons)


def _thinned(run: Mapping[str, Any], found: ParetoFront, epsilons: Mapping[str, float]) -> ParetoFront:
    """Returns a front with one point a box; raises InvalidFields for an epsilon of what is no objective."""
    objectives = objectives_of(run)
    if faults := list(_strange("epsilons", epsilons, objectives)):
        raise InvalidFields(*faults)
    if epsilons and found.points:
        points = [Point(each.trial_number, dict(each.objectives)) for each in found.points]
        kept = {each.number for each in selection.distinct(points, objectives, epsilons)}
        left = [each for each in found.points if each.trial_number in kept]
        del found.points[:]
        found.points.extend(left)
    return found


async def _best_by(
    call: Call, run: Mapping[str, Any], objectives: Sequence[Objective], first: str, renewed: Mapping[str, Any]
) -> str:
    """Returns the id of the best trial when an objective of the run counts as its first one.

    Of trials that were `renewed`, evaluated afresh, where there are such: what they reached then counts.
    """
    if first == objectives[0].name:
        return str(run["best_trial_id"])
    rows = await call.reads().fetch(_COMPLETE, {"organization": run["organization_id"], "run": run["id"]})
    ids = {row["number"]: row["id"] for row in rows}
    ordered = sorted(objectives, key=lambda each: each.name != first)
    reached = {row["number"]: renewed.get(str(row["id"]), {} if renewed else row["objectives"]) for row in rows}
    found = best([Point(number, each) for number, each in reached.items()], ordered)
    assert found is not None, "there is a best trial"
    return str(ids[found.number])


def _chosen(members: Sequence[Point], objectives: Sequence[Objective], request: GetBestConfigurationRequest) -> Point:
    if request.selection == _Asked.SELECTION_WEIGHTED:
        return selection.weighted(members, objectives, request.weights)
    if request.selection == _Asked.SELECTION_LEXICOGRAPHIC:
        return selection.lexicographic(members, objectives, request.tolerances)
    if request.selection == _Asked.SELECTION_KNEE:
        return selection.knee(members, objectives)
    return selection.topsis(members, objectives, request.weights)


def _faults(request: GetBestConfigurationRequest, objectives: Sequence[Objective]) -> Iterator[FieldViolation]:
    for field, selections in _OF.items():
        given = getattr(request, field)
        if given and request.selection not in selections:
            names = " and ".join(_Asked.Selection.Name(each) for each in selections)
            yield FieldViolation(field, f"are of {names} only")
        yield from _strange(field, given, objectives)
    if request.objective and request.selection:
        yield FieldViolation("objective", "is of SELECTION_UNSPECIFIED only: a rule over the front weighs them all")
    if request.objective and request.objective not in (known := [each.name for each in objectives]):
        yield FieldViolation("objective", f"is no objective of this run; there are {', '.join(known)}")
    if request.weights and not any(request.weights.get(each.name, 1.0) for each in objectives):
        yield FieldViolation("weights", "leave nothing that counts; one of them must be above 0")


def _strange(field: str, given: Mapping[str, float], objectives: Sequence[Objective]) -> Iterator[FieldViolation]:
    known = [each.name for each in objectives]
    for name in given:
        if name not in known:
            yield FieldViolation(f"{field}.{name}", f"is no objective of this run; there are {', '.join(known)}")


async def _told(call: Call, trial_id: str, reason: str) -> GetBestConfigurationResponse:
    trial = await call.get(Trial, trial_id)
    return GetBestConfigurationResponse(
        configuration=trial.configuration,
        objectives=dict(trial.objectives),
        trial_id=trial.id,
        trial_number=trial.number,
        reason=reason,
    )
