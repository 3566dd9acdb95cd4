"""Starting a run: every peer is asked as the caller, everything is pinned, and only then a row is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1 import dataset_requests_pb2
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.metric_pb2 import ListMetricsRequest, Metric
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest
from google.protobuf.json_format import MessageToDict

from framework import telemetry
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.identifiers import new_id
from framework.rpc.peer_failures import from_peer
from services.optimizer.aims import completed_objectives
from services.optimizer.application import Application
from services.optimizer.bootstrappable import complete_bootstrapping
from services.optimizer.granting import granted_by_caller, permit
from services.optimizer.inheriting import inheritable, inherited
from services.optimizer.metric_params import field_faults
from services.optimizer.objectives import objectives_of
from services.optimizer.prompts import prompt_faults
from services.optimizer.resources import OptimizationRun
from services.optimizer.spaces import space_of
from services.optimizer.story import WORK, tell
from services.optimizer.strategies import strategy_faults

_OFF = pb.OptimizationRun.HOLDOUT_OFF


@dataclass(frozen=True)
class Sound:
    """A run that could start, completed, and what it pins."""

    run: pb.OptimizationRun
    program: Program
    space: VariableSpace
    dataset: Dataset


async def start(call: Call, wanted: pb.OptimizationRun) -> pb.OptimizationRun:
    """Creates a run; see `CreateOptimizationRun` for what is refused."""
    found, identifier = await sound(call, wanted), str(new_id())
    trials = await inheritable(call, found.run, space_of(found.space), identifier)
    async with granted_by_caller(call, identifier, found.run) as grant:
        return await _written(call, found.run, identifier, grant, trials)


async def sound(call: Call, wanted: pb.OptimizationRun) -> Sound:
    """Returns a run that the caller may start as it would be; raises what it would be refused with."""
    _check_named(wanted)
    metrics = await _metrics(call)
    objectives = completed_objectives(wanted.objectives, metrics)
    program, space, dataset = await _pinned(call, wanted)
    _check_usable(wanted, program, space, dataset)
    permit(call, program)
    run = _completed(wanted, objectives, program, space, dataset)
    if run.strategy == pb.OptimizationRun.STRATEGY_BOOTSTRAP_RANDOM_SEARCH:
        complete_bootstrapping(run, metrics, program, space, dataset)
    check_searchable(run, space)
    return Sound(run, program, space, dataset)


def _check_named(wanted: pb.OptimizationRun) -> None:
    names = [name for name in ("program_id", "dataset_id") if not getattr(wanted, name)]
    if names:
        raise InvalidFields(*(FieldViolation(f"optimization_run.{name}", "value is required") for name in names))


async def _metrics(call: Call) -> Sequence[Metric]:
    with from_peer("program"):
        answer = await call.application.program.ListMetrics(ListMetricsRequest())
    return list(answer.metrics)


async def _pinned(call: Call, wanted: pb.OptimizationRun) -> tuple[Program, VariableSpace, Dataset]:
    peers: Application = call.application
    with from_peer("program"):
        program = await peers.program.GetProgram(
            GetProgramRequest(id=wanted.program_id, revision=wanted.program_revision)
        )
        dataset = await peers.program.GetDataset(dataset_requests_pb2.GetDatasetRequest(id=wanted.dataset_id))
    with from_peer("variables"):
        space = await peers.variables.GetVariableSpace(
            GetVariableSpaceRequest(id=wanted.variable_space_id, revision=wanted.variable_space_revision)
        )
    if wanted.dataset_revision > dataset.revision:
        raise InvalidFields(
            FieldViolation("optimization_run.dataset_revision", f"the dataset has {dataset.revision} revisions")
        )
    return program, space, dataset


def _check_usable(wanted: pb.OptimizationRun, program: Program, space: VariableSpace, dataset: Dataset) -> None:
    for what, resource in (("program", program), ("variable space", space), ("dataset", dataset)):
        if resource.HasField("archived_at"):
            raise IllegalState(f"the {what} is archived; choose one in use", status="ARCHIVED", resource=what)
    if wanted.holdout == pb.OptimizationRun.HOLDOUT_ON and not dataset.test_count:
        raise IllegalState("the dataset has no test examples to hold out; add some first", resource="dataset")
    outputs = [field.name for field in program.signature_config.outputs]
    unseen = field_faults("optimization_run.objectives", wanted.objectives, outputs)
    if faults := [*prompt_faults(space, program), *unseen]:
        raise InvalidFields(*faults)
    if dataset.validation_count == 0:
        raise IllegalState("the dataset has no validation examples; add some first", resource="dataset")
    if wanted.racing.first_rung >= dataset.validation_count:
        told = f"must be below {dataset.validation_count}, which is all examples there are: nothing would be dropped"
        raise InvalidFields(FieldViolation("optimization_run.racing.first_rung", f"{told}; lower it, or add examples"))


def check_searchable(run: pb.OptimizationRun, space: VariableSpace) -> None:
    """Raises InvalidFields unless the run's strategy can search the space for its objectives."""
    aims = objectives_of(
        {"objectives": [MessageToDict(each, preserving_proto_field_name=True) for each in run.objectives]}
    )
    if faults := list(strategy_faults(run, space_of(space), aims)):
        raise InvalidFields(*faults)


def _completed(
    wanted: pb.OptimizationRun,
    objectives: Sequence[pb.Objective],
    program: Program,
    space: VariableSpace,
    dataset: Dataset,
) -> pb.OptimizationRun:
    run = pb.OptimizationRun()
    run.CopyFrom(wanted)
    run.name = wanted.name or name_of(program.name, wanted)
    run.program_revision = program.revision
    run.variable_space_revision = space.revision
    run.evaluator = pb.OptimizationRun.EVALUATOR_MANAGED
    run.dataset_revision = wanted.dataset_revision or dataset.revision
    run.parallelism = wanted.parallelism or 1
    run.holdout = wanted.holdout or (pb.OptimizationRun.HOLDOUT_ON if dataset.test_count else _OFF)
    run.ablation = wanted.ablation or pb.OptimizationRun.ABLATION_SHARE
    run.schedule = wanted.schedule or pb.OptimizationRun.SCHEDULE_ASYNCHRONOUS
    del run.objectives[:]
    run.objectives.extend(objectives)
    return run


def name_of(searched: str, wanted: pb.OptimizationRun) -> str:
    """Returns what a run is called that nobody gave a name."""
    return f"{searched} · {pb.OptimizationRun.Strategy.Name(wanted.strategy)[9:].lower()}"[:255]


async def _written(
    call: Call, run: pb.OptimizationRun, identifier: str, grant: str, trials: Sequence[Mapping[str, Any]]
) -> pb.OptimizationRun:
    async with call.transaction() as tx:
        trace = telemetry.traceparent(call.context.traceparent)
        hidden: dict[str, Any] = {"grant_id": UUID(grant), "traceparent": trace}
        await call.create(OptimizationRun, run, hidden=hidden, identifier=identifier, prefix="optimization_run.")
        row = await call.row(OptimizationRun, identifier)
        created = RunEvent(type=RunEvent.TYPE_RUN_CREATED)
        await tell(tx, row, created, *await inherited(tx, row, trials), fenced=False)
        await call.database.notify(tx, WORK)
        return await call.get(OptimizationRun, identifier)
