"""Programs: where they rest, who may act on them, and how they are copied."""

from uuid import UUID

from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest

from framework.call import Role
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.policy import WRITES, bypass, has_role, is_public, is_service, owns, policy, signed_in
from framework.query.aggregates import avg, count, histogram, max_of, over_time, p50, p95, sum_of
from framework.query.formulas import sql
from framework.query.related_rows import first
from framework.resource import Resource, Rollup, Storage, action, archiving
from services.program import coded, shapes
from services.program.documents.judging import document_faults
from services.program.spaces import refuse_strange_space, settle_space

_RUNS = ("ExecuteProgram", "BatchExecuteProgram", "EvaluateProgram")
_LISTS = ("ListMetrics", "ListCustomPrograms", "ListTools", "ListRetrievers")
_OF_FIELDS = ("InferSchema", "MergeSchemas", "CheckCompatibility", "WriteJsonSchema", "ValidateValues")
_COMPLETED = "status = completed"
_RUN = "status = completed AND cached = false"
"""Those that took time: what an earlier one had found took none."""


class Program(Resource[program_pb2.Program]):
    """Programs: read by their owner and, when public, by the organization; run and changed by their owner."""

    rollups = {"optimization_run_count": Rollup("optimizer", "optimization_run", "program_id")}
    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name")],
        indexes=[("status", "created_at"), ("owner_id", "created_at"), ("parent_program_id", "created_at")],
        content=("signature_config", "program_config"),
        # Up to which id each part of its executions has gone that is kept no longer.
        hidden={"lapsed": "jsonb NOT NULL DEFAULT '{}'"},
        references={"parent_program_id": "programs"},
        initial={"status": program_pb2.Program.STATUS_ACTIVE},
    )
    states = archiving("Update", *_RUNS)
    policies = [
        bypass(has_role(Role.ADMIN)),
        # The worker keeps an evaluation's scores on its program.
        bypass(is_service, "Get", "List", "Update"),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", allow=owns | is_public),
        policy("CloneProgram", "GetProgramSchema", "DiffPrograms", "ExportProgram", allow=owns | is_public),
        # What is registered is the same for everybody and no secret, and fields are sent along and kept nowhere.
        policy(*_LISTS, *_OF_FIELDS, allow=signed_in),
        policy("Create", allow=signed_in & owns),
        policy("Update", "Archive", "Unarchive", *_RUNS, allow=owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
    ]

    computed = {
        "execution_count": count("executions"),
        "failed_execution_count": count("executions", where="status = failed"),
        "average_execution_ms": avg("executions", "latency_ms", where=_RUN),
        "p50_execution_ms": p50("executions", "latency_ms", where=_RUN),
        "p95_execution_ms": p95("executions", "latency_ms", where=_RUN),
        "execution_latencies": histogram("executions", "latency_ms", where=_RUN),
        "executions_by_day": over_time("executions"),
        "last_execution_at": max_of("executions", "created_at"),
        "execution_cost_micros": sum_of("executions", "cost_micros"),
        "evaluation_cost_micros": sum_of("evaluations", "cost_micros"),
        "metric_cost_micros": sum_of("evaluations", "metric_cost_micros"),
        "total_cost_micros": sql(
            lambda row: row["execution_cost_micros"] + row["evaluation_cost_micros"] + row["metric_cost_micros"],
            always=True,
        ),
        "evaluation_count": count("evaluations"),
        "latest_score": first("evaluations", "score", where=_COMPLETED, order_by="completed_at desc"),
        "latest_score_per_credit": first(
            "evaluations", "score_per_credit", where=_COMPLETED, order_by="completed_at desc"
        ),
    }

    async def prepare(self, call: Call, new: program_pb2.Program, old: program_pb2.Program | None) -> None:
        """Refuses names used twice, unregistered code and spaces out of sight; private unless it says more."""
        signature = new.signature_config
        path = "program.signature_config"
        fields = [
            *shapes.at(f"{path}.inputs", signature.inputs),
            *shapes.at(f"{path}.outputs", signature.outputs),
        ]
        faults = [*shapes.declared_faults(fields), *coded.config_faults(new, old)]
        if faults or (faults := await document_faults(call, Program, new, old)):
            raise InvalidFields(*faults)
        await refuse_strange_space(call, new, old)
        new.visibility = new.visibility or program_pb2.Program.VISIBILITY_PRIVATE


@action(Program, "CloneProgram")
async def clone(call: Call, request: CloneProgramRequest) -> program_pb2.Program:
    """Copies a program under a new name; the copy belongs to the caller and remembers its parent."""
    if request.new_name != request.new_name.strip():
        raise InvalidFields(FieldViolation("new_name", "must neither begin nor end with space"))
    async with call.transaction():
        parent = await call.get(Program, request.id, revision=request.revision, verb="CloneProgram")
        copy = program_pb2.Program()
        copy.CopyFrom(parent)
        copy.name, copy.visibility = request.new_name, program_pb2.Program.VISIBILITY_PRIVATE
        await settle_space(call, copy, request.space, request.new_name, validate_only=request.validate_only)
        return await call.create(Program, copy, hidden={"parent_program_id": UUID(parent.id)})
