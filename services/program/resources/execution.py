"""Executions: one run of a program on one set of inputs, done by a worker while the caller waits."""

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.execution_requests_pb2 import CancelExecutionRequest

from framework.call import Role
from framework.engine import Call, of_readable
from framework.policy import WRITES, bypass, has_role, is_service, owns, policy, signed_in
from framework.query.aggregates import avg, count
from framework.resource import Resource, StateMachine, Storage, action
from framework.storage import LEASE_COLUMNS, clock_time, increment
from services.program.keeping import FORGET, HELD_COLUMNS
from services.program.resources.dataset import FROM_EXECUTION
from services.program.resources.program import Program
from services.program.waking import topic

ENDED = ("WORK_STATUS_COMPLETED", "WORK_STATUS_FAILED", "WORK_STATUS_CANCELLED")
PAUSED = "WORK_STATUS_PAUSED"
WORK_COLUMNS = LEASE_COLUMNS | {
    "request_id": "text NOT NULL DEFAULT ''",
    "traceparent": "text NOT NULL DEFAULT ''",
}
"""Whose work it is and where in whose trace, beside its lease."""
EXECUTE, BATCH = "ExecuteProgram", "BatchExecuteProgram"
_CANCEL = "CancelExecution"
_STREAM, _STEPS = "StreamExecution", "GetExecutionSteps"
TAKEN = {"fencing_token": increment(), "lease_owner": "", "lease_until": None}
"""Takes work from its worker, whatever that one still writes."""

of_readable_program = of_readable(Program, "program_id")


class Execution(Resource[execution_pb2.Execution]):
    """Executions: read by whoever may read their program."""

    storage = Storage(
        owner="owner_id",
        indexes=[("program_id", "created_at"), ("dataset_id", "created_at")],
        hidden=WORK_COLUMNS
        | {
            "seed": "bigint NOT NULL DEFAULT 0",
            "dataset_revision": "bigint NOT NULL DEFAULT 0",
            "cache_key": "text NOT NULL DEFAULT ''",
            "defaults": "jsonb",
            "purpose": "text NOT NULL DEFAULT 'PURPOSE_UNSPECIFIED'",
            "streamed": "boolean NOT NULL DEFAULT false",
            "steps": "jsonb",
            "steps_left_out": "bigint NOT NULL DEFAULT 0",
            **HELD_COLUMNS,
        },
        references={"program_id": "programs", "dataset_id": "datasets"},
        initial={"status": execution_pb2.WORK_STATUS_PENDING},
    )
    computed = {
        "feedback_count": count("feedback"),
        "mean_feedback_score": avg("feedback", "score"),
    }
    # Events are kept for their own time, which need not be the executions'; and what a run was done with follows from
    # its program's revision and what the call said.
    untold = ("inputs", "outputs", "effective_configuration")
    states = StateMachine(
        "status",
        moves={
            "PENDING": {_CANCEL: "CANCELLED"},
            "RUNNING": {_CANCEL: "CANCELLED"},
            # What has ended stays as it is.
            "COMPLETED": {_CANCEL: "COMPLETED"},
            "FAILED": {_CANCEL: "FAILED"},
            "CANCELLED": {_CANCEL: "CANCELLED"},
        },
        internal={"PENDING": {"begin": "RUNNING"}, "RUNNING": {"complete": "COMPLETED", "fail": "FAILED"}},
        terminal=("COMPLETED", "FAILED", "CANCELLED"),
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        bypass(is_service, "Get", "Update"),
        policy(*WRITES, allow=has_role(Role.USER)),
        # To which datasets they may add is Dataset's to say.
        policy("Get", "List", _STREAM, _STEPS, FROM_EXECUTION, allow=of_readable_program),
        policy("Create", allow=signed_in & owns),
        policy(_CANCEL, allow=owns),
        # Which programs they may run is Program's to say.
        policy(EXECUTE, BATCH, allow=signed_in),
    ]


@action(Execution, _CANCEL)
async def cancel(call: Call, request: CancelExecutionRequest) -> execution_pb2.Execution:
    """Stops an execution; an ended one stays as it is."""
    columns = {"completed_at": clock_time(), "error_class": "ERROR_CLASS_CANCELLED", **TAKEN, **FORGET}
    cancelled = await call.update(Execution, request.id, columns, verb=_CANCEL)
    await call.follow(lambda: call.engine.hints.publish(topic("execution", request.id)))
    return cancelled
