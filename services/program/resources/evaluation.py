"""Evaluations and their results: a program revision, run with one configuration over one split of a dataset."""

from collections.abc import AsyncIterator

from ashgrove.program.v1 import execution_pb2, program_service_pb2

from framework.call import Role
from framework.engine import Call, of_readable
from framework.policy import WRITES, bypass, has_role, is_service, owns, policy, signed_in
from framework.resource import Resource, Storage, action
from services.program.resources.execution import ENDED, WORK_COLUMNS, of_readable_program
from services.program.waking import topic

_CANCEL = "CancelEvaluation"
_EVALUATE = "EvaluateProgram"


class Evaluation(Resource[execution_pb2.Evaluation]):
    """Evaluations: read by whoever may read their program, stopped by whoever asked for them."""

    message = execution_pb2.Evaluation
    storage = Storage(
        owner="owner_id",
        indexes=[("program_id", "created_at"), ("run_id", "created_at")],
        hidden=WORK_COLUMNS | {"attached_at": "timestamptz NOT NULL DEFAULT clock_timestamp()"},
        references={"program_id": "programs", "dataset_id": "datasets"},
        initial={"status": execution_pb2.WORK_STATUS_PENDING},
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        # The worker ends evaluations; a run's worker may have lost its user's grant and must still stop them.
        bypass(is_service, "Get", "List", "Update", _CANCEL),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", allow=of_readable_program),
        policy("Create", _CANCEL, allow=signed_in & owns),
        # Which programs they may run is Program's to say.
        policy(_EVALUATE, allow=signed_in),
    ]

    @action(_EVALUATE)
    async def evaluate(
        self, call: Call, request: program_service_pb2.EvaluateProgramRequest
    ) -> AsyncIterator[program_service_pb2.EvaluateProgramResponse]:
        """Creates an evaluation or attaches to it, and streams its results; the work outlives its caller."""
        from services.program import evaluating, watching  # they act on this very resource

        identifier = await evaluating.create_or_attach(call, request)
        async for frame in watching.frames(call, identifier, request.from_sequence):
            yield frame

    @action(_CANCEL)
    async def cancel(
        self, call: Call, request: program_service_pb2.CancelEvaluationRequest
    ) -> execution_pb2.Evaluation:
        """Stops an evaluation and keeps what was finished; an ended one stays as it is."""
        async with call.transaction() as tx:
            row = await call.row(Evaluation, request.id, _CANCEL, lock=True)
            if row["status"] in ENDED:
                return await call.get(Evaluation, request.id, verb=_CANCEL)
            now = await tx.fetch_one("SELECT clock_timestamp() AS now")
            assert now is not None
            columns = {"status": execution_pb2.WORK_STATUS_CANCELLED, "completed_at": now["now"]}
            cancelled = await call.update(Evaluation, request.id, columns, verb=_CANCEL)
        await call.engine.hints.publish(topic("evaluation", request.id))
        return cancelled


class EvaluationResult(Resource[execution_pb2.EvaluationResult]):
    """Results: read by whoever may read their evaluation; written once by the worker, never twice."""

    message = execution_pb2.EvaluationResult
    storage = Storage(
        unique=[("evaluation_id", "example_id", "repeat"), ("evaluation_id", "sequence")],
        references={"evaluation_id": "evaluations", "example_id": "examples"},
        append_only=True,
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=of_readable(Evaluation, "evaluation_id")),
    ]
