"""Grants: what a run may do in the name of whoever started or resumed it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ashgrove.auth.v1 import auth_internal_service_pb2 as auth_pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.program.v1.program_pb2 import Program

from framework.call import Role
from framework.engine import Call
from framework.errors import NotPermitted
from framework.failpoints import Failpoint
from framework.rpc.peer_failures import from_peer
from services.optimizer.application import SERVICE

GRANTED = Failpoint("run.granted", "a run may act for whoever starts or resumes it, and that is not written down")
_ACTIONS = (
    "GetProgram",
    "GetVariableSpace",
    "ListPromptValues",
    "AddPromptValue",
    "GetOptimizationRun",
    "GetDataset",
    "ListExamples",
    "EvaluateProgram",
    "GetEvaluation",
    "ListEvaluations",
    "PauseEvaluation",
    "CancelEvaluation",
    "ListEvaluationResults",
)


def permit(call: Call, program: Program) -> None:
    """Raises NotPermitted unless the caller may have the program optimized."""
    if program.owner_id != call.actor.id and call.actor.role is not Role.ADMIN:
        raise NotPermitted("only a program's owner and administrators may optimize it", action=call.context.action)


@asynccontextmanager
async def granted_by_caller(call: Call, run_id: str, run: pb.OptimizationRun) -> AsyncIterator[str]:
    """Yields a new grant of the caller's for what the run pins; it ends with a block that fails or is only tried."""
    resources = [
        f"program/{run.program_id}@{run.program_revision}",
        f"variable_space/{run.variable_space_id}@{run.variable_space_revision}",
        f"dataset/{run.dataset_id}@{run.dataset_revision}",
    ]
    request = auth_pb.CreateGrantRequest(run_id=run_id, service=SERVICE, actions=_ACTIONS, resources=resources)
    with from_peer("auth"):
        answer = await call.application.auth.CreateGrant(request)
    GRANTED()
    try:
        yield str(answer.grant_id)
    except BaseException:
        await call.application.end_grant(answer.grant_id)
        raise
    if call.rehearsing:
        await call.application.end_grant(answer.grant_id)
