"""Asks for executions, one or many: what all of a request share is judged once, and each leaves a row for a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import connector_pb2, execution_pb2, program_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import (
    BatchExecuteProgramRequest,
    BatchExecuteProgramResponse,
    BatchExecutionResult,
)
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from psycopg.types.json import Jsonb

from framework import telemetry
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from framework.storage import Transaction
from framework.structs import values_of
from services.program import shapes
from services.program.configurations import refuse_faults
from services.program.defaults import ask_defaults, defaults_answered
from services.program.effective import bounds as effective_bounds
from services.program.effective import effective, same_run
from services.program.ends import all_ended, ended, expect
from services.program.handing import Waiting, claimed, package
from services.program.keeping import Keeping, keeping_of, with_retention
from services.program.meaning import models_meant
from services.program.resources.alias import revision_named
from services.program.resources.dataset import Dataset
from services.program.resources.execution import BATCH, EXECUTE, Execution
from services.program.resources.program import Program
from services.program.waking import EXECUTIONS, WORK, left

_UNSAID = connector_pb2.ModelCall.PURPOSE_UNSPECIFIED
Request = ExecuteProgramRequest | BatchExecuteProgramRequest
_LEAVE = """
UPDATE executions SET lease_until = NULL, lease_owner = ''
WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = 1
"""
_EARLIER = """
SELECT outputs FROM executions
WHERE organization_id = %(organization)s AND cache_key = %(key)s AND status = 'WORK_STATUS_COMPLETED'
    AND outputs IS NOT NULL
ORDER BY created_at LIMIT 1
"""


@action(Execution, EXECUTE, then=ended)
async def execute(call: Call, request: ExecuteProgramRequest) -> execution_pb2.Execution:
    """Leaves an execution for a worker."""
    async with call.transaction() as tx:
        asked = await _asked(call, tx, request, EXECUTE)
        columns = await asked.columns(call, tx, values_of(request.inputs), "inputs")
        if not (request.detached or request.streamed or request.allow_cached):
            await tx.lazily()  # its end, which is still to come and which the caller waits for, makes it durable
            if waiting := getattr(call.application, "waiting", None):
                return await _handed(call, waiting, asked, columns | claimed())
        made = await call.create(Execution, execution_pb2.Execution(), hidden=columns)
        await call.database.notify(tx, WORK, left(EXECUTIONS))
    return made


async def _handed(call: Call, waiting: Waiting, asked: "_Asked", columns: Mapping[str, Any]) -> execution_pb2.Execution:
    """Creates an execution as claimed, and hands it to a worker that waits once it is committed."""
    made = await call.create(Execution, execution_pb2.Execution(), hidden=columns, unread=not call.rehearsing)
    what = package(call.context.organization_id, made, columns, asked.program_as_kept)

    async def hand() -> None:
        answer = waiting.hand(what)
        if answer is None:  # others were quicker
            await _left(call, made.id)
        await expect(call, answer)

    await call.follow(hand)
    return made


async def _left(call: Call, identifier: str) -> None:
    """Leaves an execution that nobody took to whoever looks for work."""
    names = {"organization": call.context.organization_id, "id": UUID(identifier)}
    async with call.database.system() as tx:
        await tx.execute(_LEAVE, names)
        await call.database.notify(tx, WORK, left(EXECUTIONS))


@action(Execution, BATCH, then=all_ended)
async def execute_many(call: Call, request: BatchExecuteProgramRequest) -> BatchExecuteProgramResponse:
    """Leaves an execution for each of the inputs that fit; of the others it says what is wrong with them."""
    answer = BatchExecuteProgramResponse()
    async with call.transaction() as tx:
        asked = await _asked(call, tx, request, BATCH)
        for i, inputs in enumerate(request.inputs):
            answer.results.append(await _result(call, tx, asked, inputs, f"inputs[{i}]"))
        await call.database.notify(tx, WORK, left(EXECUTIONS, len(request.inputs)))
    return answer


async def _result(call: Call, tx: Transaction, asked: "_Asked", inputs: Any, path: str) -> BatchExecutionResult:
    try:
        return BatchExecutionResult(execution=await asked.execution(call, tx, values_of(inputs), path))
    except InvalidFields as refused:
        return BatchExecutionResult(error=refused.status())


@dataclass(frozen=True)
class _Asked:
    """What the executions of one request share."""

    program: program_pb2.Program
    keeping: Keeping
    same: Sequence[Any]
    """What makes it the same run as another, beside its inputs."""
    shared: Mapping[str, Any]
    """The columns that are the same for all."""
    retention: Mapping[str, int]
    """What the organization keeps of executions."""
    allow_cached: bool

    async def execution(
        self, call: Call, tx: Transaction, inputs: Mapping[str, Any], path: str
    ) -> execution_pb2.Execution:
        """Creates an execution; raises InvalidFields naming everything that misses the signature."""
        hidden = await self.columns(call, tx, inputs, path)
        return await call.create(Execution, execution_pb2.Execution(), hidden=hidden)

    async def columns(self, call: Call, tx: Transaction, inputs: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Returns the columns of an execution; raises InvalidFields naming everything that misses the signature."""
        whole = shapes.fitted(self.program.signature_config.inputs, inputs, path)
        key = same_run(*self.same, whole) if self.keeping.values else ""
        columns = {**self.shared, "cache_key": key, **self.keeping.given(whole)}
        if self.allow_cached and key:
            columns |= await _earlier(call, tx, key)
        return columns

    @property
    def program_as_kept(self) -> program_pb2.Program:
        """The program with what its executions keep at present."""
        return with_retention(self.program, self.retention)


async def _asked(call: Call, tx: Transaction, request: Request, verb: str) -> _Asked:
    """Returns a checked request, but for its inputs."""
    revision, theirs = await _revision(call, request), await ask_defaults(call, tx)
    program = await call.get(Program, request.program_id, revision=revision, verb=verb)
    plain = refuse_faults(program, values_of(request.configuration))
    defaults = await defaults_answered(call, tx, theirs)
    bounds, bounded = effective_bounds(program, _bounds(program, request), defaults)
    columns: dict[str, Any] = {
        "program_id": UUID(program.id),
        "program_revision": program.revision,
        "configuration": Jsonb(plain),
        "effective_configuration": Jsonb([*effective(program, plain, defaults), *bounded]),
        "defaults": Jsonb(defaults.stored()),
        "trace_id": call.context.trace_id,
        "traceparent": telemetry.traceparent(call.context.traceparent),
        "seed": request.seed,
        "streamed": getattr(request, "streamed", False),
        "purpose": connector_pb2.ModelCall.Purpose.Name(getattr(request, "purpose", _UNSAID)),
        "request_id": call.context.request_id,
    }
    columns |= await _dataset(call, program, request.dataset_id) | bounds
    meant = await models_meant(call, program, plain, defaults)
    same = [program.id, program.revision, plain, request.seed, request.dataset_id, defaults.parameters]
    same += [columns.get("dataset_revision", 0), meant]
    keeping = keeping_of(program, defaults.retention)
    return _Asked(program, keeping, same, columns, defaults.retention, request.allow_cached)


async def _revision(call: Call, request: Request) -> int:
    """Returns the revision that is asked for, 0 for the current one; an alias draws one of its own."""
    if not request.alias:
        return int(request.revision)
    if request.revision:
        raise InvalidFields(FieldViolation("alias", "says which revision: name one or the other"))
    return await revision_named(call, request.program_id, request.alias, request.seed)


async def _dataset(call: Call, program: program_pb2.Program, identifier: str) -> dict[str, Any]:
    """Returns the columns of the dataset that examples are drawn from; raises InvalidFields when it does not fit."""
    if not identifier:
        return {}
    dataset = await call.get(Dataset, identifier)
    shapes.fit(program.signature_config, dataset.input_fields, dataset.output_fields)
    return {"dataset_id": UUID(dataset.id), "dataset_revision": dataset.revision}


def _bounds(program: program_pb2.Program, request: Request) -> dict[str, int]:
    """Returns what a request says that a run may take."""
    given = {name: getattr(request, name) for name in ("timeout_ms", "max_cost_micros") if request.HasField(name)}
    if "max_cost_micros" in given and program.type == program_pb2.Program.TYPE_CUSTOM:
        raise InvalidFields(FieldViolation("max_cost_micros", "is for programs that ask a model only"))
    return given


async def _earlier(call: Call, tx: Transaction, key: str) -> dict[str, Any]:
    """Returns the columns of an execution that need not be run, because the same was; none where it was not."""
    row = await tx.fetch_one(_EARLIER, {"organization": call.context.organization_id, "key": key})
    if row is None:
        return {}
    ended = {"status": "WORK_STATUS_COMPLETED", "completed_at": datetime.now(UTC), "cached": True}
    return ended | {"outputs": Jsonb(row["outputs"])}
