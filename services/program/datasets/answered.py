"""What was answered becomes an example: an execution's inputs with its outputs, or with those that were right."""

from collections.abc import Mapping
from typing import Any

from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.feedback_requests_pb2 import AddExecutionToDatasetRequest, AddExecutionToDatasetResponse

from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields, NotFound
from framework.resource import action
from framework.structs import struct_of, values_of
from services.program.datasets.adding import example_from, lines_of, size_of
from services.program.datasets.appending import append
from services.program.resources.dataset import FROM_EXECUTION, Dataset
from services.program.resources.execution import Execution
from services.program.resources.feedback import Feedback


@action(Execution, FROM_EXECUTION)
async def add(call: Call, request: AddExecutionToDatasetRequest) -> AddExecutionToDatasetResponse:
    """Adds an execution to a dataset as its next revision; raises IllegalState when there is nothing to add."""
    async with call.transaction():
        row = await call.row(Execution, request.id, FROM_EXECUTION)
        dataset = await call.get(Dataset, request.dataset_id, verb=FROM_EXECUTION)
        example = dataset_pb2.Example(split=request.split)
        example.inputs.CopyFrom(struct_of(_inputs(row)))
        example.outputs.CopyFrom(struct_of(await _expected(call, request, row, dataset)))
        lines = lines_of(dataset, [example], path="")
        how: dict[str, Any] = {"etag": request.etag, "skip": request.skip_duplicate, "execution_id": row["id"]}
        done = await append(call, dataset.id, FROM_EXECUTION, lines, tell=True, **how)
    answer = AddExecutionToDatasetResponse(dataset=done.dataset)
    for kept in done.ids:
        answer.example.CopyFrom(example_from(done.dataset, *kept))
        answer.example.position = size_of(done.dataset) - 1
        answer.example.execution_id = request.id
    return answer


def _inputs(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["inputs"] is None:
        raise _refused(
            row, "its inputs were not kept: the program's execution_retention says so; add an example by hand"
        )
    return dict(row["inputs"])


async def _expected(
    call: Call, request: AddExecutionToDatasetRequest, row: Mapping[str, Any], dataset: dataset_pb2.Dataset
) -> dict[str, Any]:
    """Returns the outputs of the example: what is said to be right, else what came out."""
    if request.HasField("outputs"):
        return values_of(request.outputs)
    if request.HasField("feedback_id"):
        return await _corrected(call, request)
    if row["outputs"] is None:
        raise _refused(row, "it has no outputs that were kept; say in outputs what should have come out")
    # What a kind of program adds, such as its reasoning, is a dataset's only where that asks for it.
    named = {field.name for field in dataset.output_fields}
    return {name: value for name, value in row["outputs"].items() if name in named}


async def _corrected(call: Call, request: AddExecutionToDatasetRequest) -> dict[str, Any]:
    try:
        feedback = await call.get(Feedback, request.feedback_id)
    except NotFound:
        raise InvalidFields(FieldViolation("feedback_id", "there is no such feedback that you can see")) from None
    if feedback.execution_id != request.id:
        raise InvalidFields(FieldViolation("feedback_id", "must be feedback on this very execution"))
    if not feedback.HasField("corrected_outputs"):
        raise InvalidFields(FieldViolation("feedback_id", "does not say what should have come out: give it outputs"))
    return values_of(feedback.corrected_outputs)


def _refused(row: Mapping[str, Any], told: str) -> IllegalState:
    status = row["status"].removeprefix("WORK_STATUS_")
    return IllegalState(told, status=status, action=FROM_EXECUTION, legal="GetExecution")
