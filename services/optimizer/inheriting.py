"""Trials of other runs that a new one begins with: judged in its space, thinned where they are many, made its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from domain.space import Space
from domain.strategies import Observation
from domain.strategies.history import bounded
from domain.values import Invalid, Json
from framework.engine import Call
from framework.errors import IllegalState
from framework.identifiers import new_id
from framework.storage import Transaction
from services.optimizer.outcomes import Outcome
from services.optimizer.prompts import SLOT, pool_of
from services.optimizer.resources import OptimizationRun
from services.optimizer.results import Results

_SAME = ("evaluator", "program_id", "program_revision", "dataset_id", "dataset_revision")
_READ = """
SELECT id, configuration, content_hash, objectives FROM trials
WHERE organization_id = %(organization_id)s AND optimization_run_id = %(id)s AND status = 'STATUS_COMPLETED'
ORDER BY number
"""
_WRITE = """
INSERT INTO trials (organization_id, id, optimization_run_id, number, finish_number, status, origin, inherited_trial_id,
                    configuration, content_hash, objectives, evaluation_id, pending_then, informed_count,
                    sampler_version, seed, example_count, completed_at)
SELECT t.organization_id, new.id, %(run)s, new.number, new.number, t.status, 'ORIGIN_INHERITED',
       coalesce(t.inherited_trial_id, t.id), t.configuration, t.content_hash, t.objectives, t.evaluation_id,
       t.pending_then, t.informed_count, t.sampler_version, t.seed, t.example_count, t.completed_at
FROM unnest(%(ids)s::uuid[], %(sources)s::uuid[]) WITH ORDINALITY AS new (id, source, number)
JOIN trials t ON t.organization_id = %(organization)s AND t.id = new.source
"""
_TOLD = (RunEvent.TYPE_BEST_CHANGED, RunEvent.TYPE_FRONT_CHANGED)
Row = Mapping[str, Any]


async def inheritable(call: Call, run: pb.OptimizationRun, space: Space, run_id: str) -> list[Row]:
    """Returns the trials that a new run begins with, none where it names no other run.

    Raises NotFound for a run that the caller may not see, IllegalState for one that is not comparable, and where there
    is nothing to begin with.
    """
    if not run.forked_from_optimization_run_ids:
        return []
    if space.prompts:
        space = space.within([SLOT]).offering(await pool_of(call.application, None, run.variable_space_id, run_id))
    found: dict[str, Row] = {}
    async with call.transaction() as tx:
        for identifier in run.forked_from_optimization_run_ids:
            row = await call.row(OptimizationRun, identifier)
            _check_comparable(run, await call.get(OptimizationRun, identifier))
            for trial in await tx.fetch(_READ, row):
                found.setdefault(trial["content_hash"], trial)
    sound = [each for each in found.values() if _fits(space, each["configuration"])]
    if not sound:
        told = "the runs have no complete trial that is sound in the space; start a run without them"
        raise IllegalState(told, resource="optimization_run")
    return sound


def _check_comparable(run: pb.OptimizationRun, other: pb.OptimizationRun) -> None:
    different = [name for name in _SAME if getattr(run, name) != getattr(other, name)]
    known = {each.metric: _measured(each) for each in other.objectives}
    different += [f"objectives.{o.metric}" for o in run.objectives if known.get(o.metric) != _measured(o)]
    if different:
        told = f"what run {other.id} has reached is not comparable: its {', '.join(different)} differ"
        raise IllegalState(told, resource="optimization_run", fields=",".join(different))


def _measured(objective: pb.Objective) -> pb.Objective:
    """Returns an objective without what changes nothing about what trials reach."""
    same = pb.Objective()
    same.CopyFrom(objective)
    same.ClearField("threshold")
    same.ClearField("reference")
    same.ClearField("only_bounds")
    return same


def _fits(space: Space, values: Mapping[str, Json]) -> bool:
    """Tells whether the space would have made exactly this of it."""
    computed = {each.name for each in space.variables if each.kind == "computed"}
    try:
        return space.validate({n: v for n, v in values.items() if n not in computed}) == dict(values)
    except Invalid:
        return False


async def inherited(tx: Transaction, run: Row, trials: Sequence[Row]) -> list[RunEvent]:
    """Writes trials as the first ones of a new run; returns what there is to tell of its best and its front."""
    if not trials:
        return []
    results = Results(run)
    seen = [Observation(at, each["configuration"], each["objectives"]) for at, each in enumerate(trials)]
    chosen = [trials[each.number] for each in bounded(seen, results.objectives, run["seed"])]
    new = [{**each, "id": new_id(), "number": at, "source": each["id"]} for at, each in enumerate(chosen, 1)]
    ids = {"organization": run["organization_id"], "run": run["id"]}
    await tx.execute(_WRITE, ids | {"ids": [t["id"] for t in new], "sources": [t["source"] for t in new]})
    so_far, columns, told = dict(run), dict[str, Any](), list[RunEvent]()
    names = [each.name for each in results.objectives]
    for trial in new:
        reached = {name: trial["objectives"][name] for name in names}
        _, changed, events = await results.judge(tx, so_far, trial, Outcome(reached))
        columns |= changed
        told += [each for each in events if each.type in _TOLD]
    await results.keep(tx, {"completed_trials": len(new), "inherited_trials": len(new)}, columns)
    return told
