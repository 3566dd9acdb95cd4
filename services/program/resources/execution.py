"""Executions: one run of a program on one set of inputs, done by a worker while the caller waits."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.execution_requests_pb2 import (
    CancelExecutionRequest,
    ExecuteProgramRequest,
    GetExecutionStepsRequest,
    GetExecutionStepsResponse,
    StreamExecutionRequest,
    StreamExecutionResponse,
)
from ashgrove.program.v1.feedback_requests_pb2 import AddExecutionToDatasetRequest, AddExecutionToDatasetResponse
from psycopg.types.json import Jsonb

from framework import telemetry
from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, InvalidFields
from framework.policy import WRITES, bypass, has_role, is_service, owns, policy, signed_in
from framework.query.aggregates import avg, count
from framework.resource import Resource, StateMachine, Storage, action, spec_of
from framework.storage import LEASE_COLUMNS, Transaction, clock_time, codec_of, increment
from framework.structs import values_of
from services.program import shapes
from services.program.configurations import refuse_faults
from services.program.defaults import defaults_of
from services.program.effective import bounds as effective_bounds
from services.program.effective import effective, same_run
from services.program.meaning import models_meant
from services.program.resources.alias import revision_named
from services.program.resources.dataset import FROM_EXECUTION, Dataset
from services.program.resources.program import Program
from services.program.waking import LOOK_SECONDS, WORK, topic

ENDED = ("WORK_STATUS_COMPLETED", "WORK_STATUS_FAILED", "WORK_STATUS_CANCELLED")
PAUSED = "WORK_STATUS_PAUSED"
WORK_COLUMNS = LEASE_COLUMNS | {
    "request_id": "text NOT NULL DEFAULT ''",
    "traceparent": "text NOT NULL DEFAULT ''",
}
"""Whose work it is and where in whose trace, beside its lease."""
_VERB, _CANCEL = "ExecuteProgram", "CancelExecution"
_STREAM, _STEPS = "StreamExecution", "GetExecutionSteps"
TAKEN = {"fencing_token": increment(), "lease_owner": "", "lease_until": None}
"""Takes work from its worker, whatever that one still writes."""
_EARLIER = """
SELECT outputs FROM executions
WHERE organization_id = %(organization)s AND cache_key = %(key)s AND status = 'WORK_STATUS_COMPLETED'
ORDER BY created_at LIMIT 1
"""


async def _ended(call: Call, begun: execution_pb2.Execution) -> execution_pb2.Execution:
    """Waits for the end, unless nobody wants to; raises DeadlinePassed when the caller's time is over first."""
    if getattr(call.context.arguments, "detached", False):
        return begun
    while True:
        row = await call.row(Execution, begun.id)
        if row["status"] in ENDED:
            found: execution_pb2.Execution = codec_of(spec_of(Execution)).message(row)
            return found
        await call.engine.hints.wait(topic("execution", begun.id), min(LOOK_SECONDS, call.context.remaining()))


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
            "streamed": "boolean NOT NULL DEFAULT false",
            "steps": "jsonb",
            "steps_left_out": "bigint NOT NULL DEFAULT 0",
        },
        references={"program_id": "programs", "dataset_id": "datasets"},
        initial={"status": execution_pb2.WORK_STATUS_PENDING},
    )
    computed = {
        "feedback_count": count("feedback"),
        "mean_feedback_score": avg("feedback", "score"),
    }
    # Events are kept for their own time, which need not be the executions'.
    untold = ("inputs", "outputs")
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
        policy(_VERB, allow=signed_in),
    ]

    @action(_VERB, then=_ended)
    async def execute(self, call: Call, request: ExecuteProgramRequest) -> execution_pb2.Execution:
        """Leaves the execution for a worker, and returns it when it has ended; the work outlives its caller."""
        async with call.transaction() as tx:
            hidden = await _asked(call, tx, request)
            if request.allow_cached:
                hidden |= await _earlier(call, tx, hidden["cache_key"])
            made = await call.create(Execution, execution_pb2.Execution(), hidden=hidden)
            await call.database.notify(tx, WORK)
        return made

    @action(_CANCEL)
    async def cancel(self, call: Call, request: CancelExecutionRequest) -> execution_pb2.Execution:
        """Stops an execution; an ended one stays as it is."""
        columns = {"completed_at": clock_time(), "error_class": "ERROR_CLASS_CANCELLED", **TAKEN}
        cancelled = await call.update(Execution, request.id, columns, verb=_CANCEL)
        await call.follow(lambda: call.engine.hints.publish(topic("execution", request.id)))
        return cancelled

    @action(_STREAM)
    async def stream(self, call: Call, request: StreamExecutionRequest) -> AsyncIterator[StreamExecutionResponse]:
        """Tells an execution as it goes; the work outlives its caller."""
        from services.program import streaming  # it reads this very resource

        async for frame in streaming.frames(call, request.id, request.from_sequence):
            yield frame

    @action(_STEPS)
    async def steps(self, call: Call, request: GetExecutionStepsRequest) -> GetExecutionStepsResponse:
        """Tells what an execution did on its way."""
        from services.program import streaming  # it reads this very resource

        row = await call.row(Execution, request.id, _STEPS)
        return GetExecutionStepsResponse(steps=streaming.steps_of(row), left_out_count=row["steps_left_out"])

    @action(FROM_EXECUTION)
    async def add_to_dataset(self, call: Call, request: AddExecutionToDatasetRequest) -> AddExecutionToDatasetResponse:
        """Makes an execution an example of a dataset."""
        from services.program.datasets import answered  # it reads this very resource

        return await answered.add(call, request)


async def _earlier(call: Call, tx: Transaction, key: str) -> dict[str, Any]:
    """Returns the columns of an execution that need not be run, because the same was; none where it was not."""
    row = await tx.fetch_one(_EARLIER, {"organization": call.context.organization_id, "key": key})
    if row is None:
        return {}
    ended = {"status": "WORK_STATUS_COMPLETED", "completed_at": datetime.now(UTC), "cached": True}
    return ended | {"outputs": Jsonb(row["outputs"])}


async def _revision(call: Call, request: ExecuteProgramRequest) -> int:
    """Returns the revision that is asked for, 0 for the current one; an alias draws one of its own."""
    if not request.alias:
        return int(request.revision)
    if request.revision:
        raise InvalidFields(FieldViolation("alias", "says which revision: name one or the other"))
    return await revision_named(call, request.program_id, request.alias, request.seed)


async def _asked(call: Call, tx: Transaction, request: ExecuteProgramRequest) -> dict[str, Any]:
    """Returns the columns of a checked request."""
    program = await call.get(Program, request.program_id, revision=await _revision(call, request), verb=_VERB)
    signature = program.signature_config
    inputs, configuration = values_of(request.inputs), values_of(request.configuration)
    whole = shapes.fitted(signature.inputs, inputs, "inputs")
    plain = refuse_faults(program, configuration)
    defaults = await defaults_of(call, tx)
    bounds, bounded = effective_bounds(program, _bounds(program, request), defaults)
    columns: dict[str, Any] = {
        "program_id": UUID(program.id),
        "program_revision": program.revision,
        "inputs": Jsonb(whole),
        "configuration": Jsonb(plain),
        "effective_configuration": Jsonb([*effective(program, plain, defaults), *bounded]),
        "defaults": Jsonb(defaults.stored()),
        "trace_id": call.context.trace_id,
        "traceparent": telemetry.traceparent(call.context.traceparent),
        "seed": request.seed,
        "streamed": request.streamed,
        "request_id": call.context.request_id,
    }
    if request.dataset_id:
        dataset = await call.get(Dataset, request.dataset_id)
        shapes.fit(signature, dataset.input_fields, dataset.output_fields)
        columns |= {"dataset_id": UUID(dataset.id), "dataset_revision": dataset.revision}
    parts = [program.id, program.revision, plain, whole, request.seed, request.dataset_id, defaults.parameters]
    meant = await models_meant(call, program, plain, defaults)
    columns["cache_key"] = same_run(*parts, columns.get("dataset_revision", 0), meant)
    return columns | bounds


def _bounds(program: program_pb2.Program, request: ExecuteProgramRequest) -> dict[str, int]:
    """Returns what a request says that a run may take."""
    given = {name: getattr(request, name) for name in ("timeout_ms", "max_cost_micros") if request.HasField(name)}
    if "max_cost_micros" in given and program.type == program_pb2.Program.TYPE_CUSTOM:
        raise InvalidFields(FieldViolation("max_cost_micros", "is for programs that ask a model only"))
    return given
