"""What the executions of one request share: judged once, by the program as it was read and the defaults beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import connector_pb2, program_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import BatchExecuteProgramRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from psycopg.types.json import Jsonb

from framework import telemetry
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.storage import Transaction
from framework.structs import values_of
from services.program import shapes
from services.program.configurations import refuse_faults
from services.program.effective import bounds as effective_bounds
from services.program.effective import effective, model_of, same_run
from services.program.keeping import Keeping, keeping_of, with_retention
from services.program.known import Read
from services.program.meaning import models_meant
from services.program.resources.alias import revision_named
from services.program.resources.dataset import Dataset

_UNSAID = connector_pb2.ModelCall.PURPOSE_UNSPECIFIED
Request = ExecuteProgramRequest | BatchExecuteProgramRequest
_EARLIER = """
SELECT outputs FROM executions
WHERE organization_id = %(organization)s AND cache_key = %(key)s AND status = 'WORK_STATUS_COMPLETED'
    AND outputs IS NOT NULL
ORDER BY created_at LIMIT 1
"""


@dataclass(frozen=True)
class Asked:
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

    def columns(self, inputs: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Returns the columns of an execution; raises InvalidFields naming everything that misses the signature."""
        whole = shapes.fitted(self.program.signature_config.inputs, inputs, path)
        key = same_run(*self.same, whole) if self.keeping.values else ""
        return {**self.shared, "cache_key": key, **self.keeping.given(whole)}

    async def answered(self, call: Call, tx: Transaction, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the columns of an execution become that need not be run, because the same was."""
        earlier = await _earlier(call, tx, columns["cache_key"]) if self.allow_cached and columns["cache_key"] else {}
        return {**columns, **earlier}

    @property
    def program_as_kept(self) -> program_pb2.Program:
        """The program with what its executions keep at present."""
        return with_retention(self.program, self.retention)


async def judged(call: Call, request: Request, read: Read) -> Asked:
    """Returns a checked request, but for its inputs."""
    program, defaults = read.program, read.defaults
    plain = refuse_faults(program, values_of(request.configuration))
    bounds, bounded = effective_bounds(program, _bounds(program, request), defaults)
    told = effective(program, plain, defaults)
    columns: dict[str, Any] = {
        "program_id": UUID(program.id),
        "program_revision": program.revision,
        "configuration": Jsonb(plain),
        "model": model_of(program, told),
        "effective_configuration": Jsonb([*told, *bounded]),
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
    return Asked(program, keeping, same, columns, defaults.retention, request.allow_cached)


async def revision_meant(call: Call, request: Request) -> int:
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
