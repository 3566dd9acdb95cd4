"""Starting a run: every peer is asked as the caller, everything is pinned, and only then a row is written."""

from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import auth_internal_service_pb2 as auth_pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.program.v1 import program_service_pb2 as program_pb
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1 import variables_service_pb2 as variables_pb
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace

from domain.metrics import METRICS
from framework.call import Role
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields, NotPermitted
from framework.identifiers import new_id
from framework.rpc.peer_failures import from_peer
from services.optimizer.application import SERVICE, Application
from services.optimizer.resources import OptimizationRun
from services.optimizer.story import WORK, tell

# Means per example that every evaluation knows besides its metrics.
BUILT_IN = ("cost_micros", "latency_ms")
_ACTIONS = ("GetProgram", "GetVariableSpace", "GetDataset", "EvaluateProgram", "GetEvaluation", "CancelEvaluation")


async def start(call: Call, wanted: pb.OptimizationRun) -> pb.OptimizationRun:
    """Creates a run; see `CreateOptimizationRun` for what is refused."""
    _check_objectives(wanted)
    program, space, dataset = await _pinned(call, wanted)
    _check_usable(program, space, dataset)
    if program.owner_id != call.actor.id and call.actor.role is not Role.ADMIN:
        raise NotPermitted("only a program's owner and administrators may optimize it", action=call.context.action)
    run = _completed(wanted, program, space, dataset)
    identifier = str(new_id())
    grant = await _granted(call.application, identifier, run)
    return await _written(call, run, identifier, grant)


def _check_objectives(wanted: pb.OptimizationRun) -> None:
    known = (*METRICS, *BUILT_IN)
    seen: set[str] = set()
    faults = []
    for i, objective in enumerate(wanted.objectives):
        path = f"optimization_run.objectives[{i}].metric"
        if objective.metric not in known:
            faults.append(FieldViolation(path, f"is no metric; there are {', '.join(known)}"))
        if objective.metric in seen:
            faults.append(FieldViolation(path, "is named twice"))
        seen.add(objective.metric)
    if faults:
        raise InvalidFields(*faults)


async def _pinned(call: Call, wanted: pb.OptimizationRun) -> tuple[Program, VariableSpace, Dataset]:
    peers: Application = call.application
    with from_peer("program"):
        program = await peers.program.GetProgram(
            program_pb.GetProgramRequest(id=wanted.program_id, revision=wanted.program_revision)
        )
        dataset = await peers.program.GetDataset(program_pb.GetDatasetRequest(id=wanted.dataset_id))
    with from_peer("variables"):
        space = await peers.variables.GetVariableSpace(
            variables_pb.GetVariableSpaceRequest(id=wanted.variable_space_id, revision=wanted.variable_space_revision)
        )
    if wanted.dataset_revision > dataset.revision:
        raise InvalidFields(
            FieldViolation("optimization_run.dataset_revision", f"the dataset has {dataset.revision} revisions")
        )
    return program, space, dataset


def _check_usable(program: Program, space: VariableSpace, dataset: Dataset) -> None:
    for what, resource in (("program", program), ("variable space", space), ("dataset", dataset)):
        if resource.HasField("archived_at"):
            raise IllegalState(f"the {what} is archived; choose one in use", status="ARCHIVED", resource=what)
    if dataset.validation_count == 0:
        raise IllegalState("the dataset has no validation examples; add some first", resource="dataset")


def _completed(
    wanted: pb.OptimizationRun, program: Program, space: VariableSpace, dataset: Dataset
) -> pb.OptimizationRun:
    run = pb.OptimizationRun()
    run.CopyFrom(wanted)
    run.name = wanted.name or f"{program.name} · {pb.OptimizationRun.Strategy.Name(wanted.strategy)[9:].lower()}"[:255]
    run.program_revision = program.revision
    run.variable_space_revision = space.revision
    run.dataset_revision = wanted.dataset_revision or dataset.revision
    run.parallelism = wanted.parallelism or 1
    run.schedule = wanted.schedule or pb.OptimizationRun.SCHEDULE_ASYNCHRONOUS
    for objective in run.objectives:
        objective.direction = objective.direction or pb.Objective.DIRECTION_MAXIMIZE
    return run


async def _granted(peers: Application, run_id: str, run: pb.OptimizationRun) -> str:
    resources = [
        f"program/{run.program_id}@{run.program_revision}",
        f"variable_space/{run.variable_space_id}@{run.variable_space_revision}",
        f"dataset/{run.dataset_id}@{run.dataset_revision}",
    ]
    request = auth_pb.CreateGrantRequest(run_id=run_id, service=SERVICE, actions=_ACTIONS, resources=resources)
    with from_peer("auth"):
        answer = await peers.auth.CreateGrant(request)
    return str(answer.grant_id)


async def _written(call: Call, run: pb.OptimizationRun, identifier: str, grant: str) -> pb.OptimizationRun:
    async with call.transaction() as tx:
        hidden: dict[str, Any] = {"grant_id": UUID(grant)}
        await call.create(OptimizationRun, run, hidden=hidden, identifier=identifier, prefix="optimization_run.")
        row = await call.row(OptimizationRun, identifier)
        await tell(tx, row, pb.RunEvent(type=pb.RunEvent.TYPE_RUN_CREATED), fenced=False)
        await call.database.notify(tx, WORK)
        return await call.get(OptimizationRun, identifier)
