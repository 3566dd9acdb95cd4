"""What a run found, put into its program as a new revision: kept as a configuration first, so that it can be undone."""

from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    PromoteOptimizationRunRequest,
    PromoteOptimizationRunResponse,
)
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest, UpdateProgramRequest
from ashgrove.variables.v1.configuration_use_requests_pb2 import ApplyConfigurationRequest
from ashgrove.variables.v1.variable_configuration_pb2 import VariableConfiguration
from ashgrove.variables.v1.variable_configuration_requests_pb2 import CreateVariableConfigurationRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.engine import Call
from framework.errors import AlreadyExists, FieldViolation, IllegalState, InvalidFields, NoResultYet, StaleEtag
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from services.optimizer.resources import NOTHING_YET, OptimizationRun, Trial

_VERB = "PromoteOptimizationRun"
_Run = optimization_run_pb2.OptimizationRun
_Trial = trial_pb2.Trial


@action(OptimizationRun, _VERB)
async def promote(call: Call, request: PromoteOptimizationRunRequest) -> PromoteOptimizationRunResponse:
    """Keeps a trial's values and puts them into the run's program, both as the caller.

    Only over the revision that the run was about, unless another one is named: of two at once the first wins, and the
    other is told so.
    """
    run, trial = await _chosen(call, request)
    expected = request.expected_program_revision or run.program_revision
    kept = await _kept(call, run, trial, request)
    told = PromoteOptimizationRunResponse(program_id=run.program_id, trial_id=trial.id)
    if request.validate_only:
        await _refuse_unwritable(call, run.program_id, expected)
        told.previous_program_revision = told.program_revision = expected
        return told
    asked = ApplyConfigurationRequest(
        variable_configuration_id=kept, program_id=run.program_id, expected_program_revision=expected
    )
    with from_peer("variables"):
        applied = await call.application.variables.ApplyConfiguration(asked)
    told.variable_configuration_id = kept
    told.previous_program_revision = applied.previous_program_revision
    told.program_revision = applied.program_revision
    return told


async def _refuse_unwritable(call: Call, program_id: str, expected: int) -> None:
    """Raises what applying would: the program has changed, is archived, or is not the caller's to change."""
    with from_peer("program"):
        mask = FieldMask(paths=["id", "description", "revision"])
        found = await call.application.program.GetProgram(GetProgramRequest(id=program_id, read_mask=mask))
        if found.revision != expected:
            told = "the program has another revision than you expect: read it again and retry"
            raise StaleEtag(told, current_revision=str(found.revision))
        same = Program(id=program_id, description=found.description)
        asked = UpdateProgramRequest(program=same, update_mask=FieldMask(paths=["description"]), validate_only=True)
        await call.application.program.UpdateProgram(asked)


async def _chosen(call: Call, request: PromoteOptimizationRunRequest) -> tuple[_Run, _Trial]:
    """Returns the run and the trial that is named, or its best one; raises NoResultYet when there is none."""
    run = await call.get(OptimizationRun, request.id, verb=_VERB)
    if not run.program_id:
        raise IllegalState("this run names no program that its result could be put into", resource="program")
    if not (request.trial_id or run.best_trial_id):
        raise NoResultYet(NOTHING_YET, run_id=run.id)
    trial = await call.get(Trial, request.trial_id or run.best_trial_id)
    if trial.optimization_run_id != run.id:
        raise InvalidFields(FieldViolation("trial_id", "is a trial of another run"))
    return run, trial


async def _kept(call: Call, run: _Run, trial: _Trial, request: PromoteOptimizationRunRequest) -> str:
    """Returns the configuration that holds a trial's values: a new one, or that which holds them already."""
    wanted = VariableConfiguration(
        name=request.name or f"trial {trial.number} of {run.name or run.id}"[:255].strip(),
        variable_space_id=run.variable_space_id,
        variable_space_revision=run.variable_space_revision,
        values=trial.configuration,
        origin=VariableConfiguration.ORIGIN_OPTIMIZER,
        optimization_run_id=run.id,
        trial_id=trial.id,
    )
    asked = CreateVariableConfigurationRequest(variable_configuration=wanted, validate_only=request.validate_only)
    try:
        with from_peer("variables"):
            made = await call.application.variables.CreateVariableConfiguration(asked)
    except AlreadyExists as twin:
        if "id" not in twin.metadata:  # its name is taken, not its values
            raise
        return str(twin.metadata["id"])
    return str(made.id)
