"""What the best of a run has otherwise than its baseline: values by variable, prompts by what they say."""

from collections.abc import Mapping
from typing import Any

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.program.v1.program_requests_pb2 import DocumentChange, GetProgramRequest, TextPiece
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest

from domain.comparing import ABSENT
from domain.documents import Changed, changes
from domain.prompt_values import UNCHANGED, PromptValue
from domain.space import Space
from domain.values import Json
from framework.engine import Call
from framework.errors import NoResultYet
from framework.rpc.peer_failures import from_peer
from framework.structs import value_of, values_of
from services.optimizer.external import space as kept
from services.optimizer.paired import baseline_of
from services.optimizer.prompts import pool_of
from services.optimizer.resources import NOTHING_YET, is_external
from services.optimizer.spaces import space_of

_KINDS = {"same": TextPiece.KIND_SAME, "removed": TextPiece.KIND_REMOVED, "added": TextPiece.KIND_ADDED}
_FIRST = """
SELECT number, configuration FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_COMPLETED'
ORDER BY number LIMIT 1
"""
Row = Mapping[str, Any]


async def changed(call: Call, row: Row, run: Run) -> list[DocumentChange]:
    """Returns every place where the best and the baseline differ; raises NoResultYet while there is no best."""
    if not run.best_trial_id:
        raise NoResultYet(NOTHING_YET, run_id=run.id)
    space = await _space(call, row, run)
    best = values_of(run.best_configuration)
    baseline = await _baseline(call, row, run, space)
    own = await _instructions(call, run) if space.prompts else ""
    return [_told(each) for each in changes(_said(space, baseline, own), _said(space, best, own))]


async def _space(call: Call, row: Row, run: Run) -> Space:
    if is_external(row):
        async with call.transaction() as tx:
            return await kept.read(tx, row)
    request = GetVariableSpaceRequest(id=run.variable_space_id, revision=run.variable_space_revision)
    with from_peer("variables"):
        found = space_of(await call.application.variables.GetVariableSpace(request))
        pool = await _pool(call, row, run) if found.prompts else {}
    return found.offering(pool)


async def _pool(call: Call, row: Row, run: Run) -> dict[str, PromptValue]:
    return await pool_of(call.application, None, run.variable_space_id, run.id, row["demonstration_sets"] or ())


async def _baseline(call: Call, row: Row, run: Run, space: Space) -> dict[str, Json]:
    """Returns what the last look or the ablation compared with; what they would have, where there was neither."""
    for name in ("holdout_result", "ablation_result"):
        if run.HasField(name):
            return values_of(getattr(run, name).baseline_configuration)
    first = await call.reads().fetch(_FIRST, {"organization": row["organization_id"], "run": row["id"]})
    return baseline_of(space, first)[1]


async def _instructions(call: Call, run: Run) -> str:
    """Returns what the program says by itself; nothing where the run is about none."""
    if not run.program_id:
        return ""
    with from_peer("program"):
        request = GetProgramRequest(id=run.program_id, revision=run.program_revision)
        return str((await call.application.program.GetProgram(request)).signature_config.instructions)


def _said(space: Space, values: Mapping[str, Json], own: str) -> dict[str, Json]:
    """Returns values with what prompts say in the place of their references."""
    said = dict(values)
    for each in space.prompts:
        value = said.get(each.name)
        if value == UNCHANGED and each.kind == "instruction":
            said[each.name] = own
        elif isinstance(value, str) and value in (each.pool or {}):
            found = (each.pool or {})[value]
            said[each.name] = found.text if found.kind == "instruction" else found.demonstrations
    return said


def _told(change: Changed) -> DocumentChange:
    pieces = [TextPiece(kind=_KINDS[each.kind], text=each.text) for each in change.pieces]
    told = DocumentChange(path=change.path, pieces=pieces)
    for name in ("before", "after"):
        if (value := getattr(change, name)) is not ABSENT:
            getattr(told, name).CopyFrom(value_of(value))
    return told
