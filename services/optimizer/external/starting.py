"""Starting an external run: its space is pinned with all that it holds, so that no peer is asked for a suggestion."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest

from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.identifiers import new_id
from framework.rpc.peer_failures import from_peer
from services.optimizer.aims import own_objectives
from services.optimizer.external.space import keep
from services.optimizer.granting import permit
from services.optimizer.inheriting import inheritable, inherited
from services.optimizer.prompts import pool_of
from services.optimizer.resources import OptimizationRun
from services.optimizer.spaces import space_of
from services.optimizer.starting import check_searchable, name_of
from services.optimizer.story import tell


async def start(call: Call, wanted: pb.OptimizationRun) -> pb.OptimizationRun:
    """Creates a run whose trials clients evaluate; see `CreateOptimizationRun` for what is refused.

    A program and a dataset may be named: then the caller must be allowed to have the program optimized, and whoever may
    see the program may see the run.
    """
    _refuse_what_takes_evaluations(wanted)
    objectives = own_objectives(wanted.objectives)
    space = await _space(call, wanted)
    program, dataset = await _program(call, wanted), await _dataset(call, wanted)
    for what, resource in (("variable space", space), ("program", program), ("dataset", dataset)):
        if resource is not None and resource.HasField("archived_at"):
            raise IllegalState(f"the {what} is archived; choose one in use", status="ARCHIVED", resource=what)
    run = pb.OptimizationRun()
    run.CopyFrom(wanted)
    run.name = wanted.name or name_of(program.name if program else space.name, wanted)
    run.program_revision = program.revision if program else 0
    run.variable_space_revision = space.revision
    run.dataset_revision = wanted.dataset_revision or (dataset.revision if dataset else 0)
    run.schedule = wanted.schedule or pb.OptimizationRun.SCHEDULE_ASYNCHRONOUS
    del run.objectives[:]
    run.objectives.extend(objectives)
    check_searchable(run, space)
    identifier = str(new_id())
    trials = await inheritable(call, run, space_of(space), identifier)
    return await _written(call, run, identifier, space, trials)


def _refuse_what_takes_evaluations(wanted: pb.OptimizationRun) -> None:
    """Raises InvalidFields for what only the platform can keep, because only it sees the examples."""
    faults = []
    if wanted.strategy == pb.OptimizationRun.STRATEGY_BOOTSTRAP_RANDOM_SEARCH:
        told = "is for runs that the platform evaluates: demonstrations are gathered from what the program answers"
        faults.append(FieldViolation("optimization_run.strategy", told))
    if wanted.HasField("racing"):
        told = "must be left out: only what the platform evaluates is raced; clients report and are told when to stop"
        faults.append(FieldViolation("optimization_run.racing", told))
    if wanted.HasField("repeats"):
        told = "must be left out: clients report what they evaluate as often as they like"
        faults.append(FieldViolation("optimization_run.repeats", told))
    if wanted.holdout == pb.OptimizationRun.HOLDOUT_ON:
        told = "must be left out: clients see whatever they evaluate; keep examples back yourself"
        faults.append(FieldViolation("optimization_run.holdout", told))
    if faults:
        raise InvalidFields(*faults)


async def _space(call: Call, wanted: pb.OptimizationRun) -> VariableSpace:
    request = GetVariableSpaceRequest(id=wanted.variable_space_id, revision=wanted.variable_space_revision)
    with from_peer("variables"):
        space: VariableSpace = await call.application.variables.GetVariableSpace(request)
    return space


async def _program(call: Call, wanted: pb.OptimizationRun) -> Program | None:
    if not wanted.program_id:
        return None
    request = GetProgramRequest(id=wanted.program_id, revision=wanted.program_revision)
    with from_peer("program"):
        program: Program = await call.application.program.GetProgram(request)
    permit(call, program)
    return program


async def _dataset(call: Call, wanted: pb.OptimizationRun) -> Dataset | None:
    if not wanted.dataset_id:
        return None
    with from_peer("program"):
        dataset: Dataset = await call.application.program.GetDataset(GetDatasetRequest(id=wanted.dataset_id))
    if wanted.dataset_revision > dataset.revision:
        told = f"the dataset has {dataset.revision} revisions"
        raise InvalidFields(FieldViolation("optimization_run.dataset_revision", told))
    return dataset


async def _written(
    call: Call, run: pb.OptimizationRun, identifier: str, space: VariableSpace, trials: Sequence[Mapping[str, Any]]
) -> pb.OptimizationRun:
    pool = None
    if space_of(space).prompts:
        pool = await pool_of(call.application, None, space.id, identifier)
    async with call.transaction() as tx:
        hidden: dict[str, Any] = {"grant_id": None}
        await call.create(OptimizationRun, run, hidden=hidden, identifier=identifier, prefix="optimization_run.")
        row = await call.row(OptimizationRun, identifier)
        await keep(tx, row, space, pool)
        created = RunEvent(type=RunEvent.TYPE_RUN_CREATED)
        await tell(tx, row, created, *await inherited(tx, row, trials), fenced=False)
        return await call.get(OptimizationRun, identifier)
