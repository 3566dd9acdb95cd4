"""Examples added as messages: all or none, as the dataset's next revision."""

import json
from collections.abc import Iterator, Sequence
from uuid import UUID

from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.dataset_requests_pb2 import BatchCreateExamplesRequest, BatchCreateExamplesResponse

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from framework.structs import struct_of, values_of
from services.program import shapes
from services.program.datasets.appending import append
from services.program.datasets.lines import Line, Lines
from services.program.resources.dataset import Dataset

_VERB = "BatchCreateExamples"


@action(Dataset, _VERB)
async def add(call: Call, request: BatchCreateExamplesRequest) -> BatchCreateExamplesResponse:
    """Adds examples, all or none, as the dataset's next revision."""
    dataset = await call.get(Dataset, request.dataset_id, verb=_VERB)
    done = await append(call, request.dataset_id, _VERB, lines_of(dataset, request.examples), tell=True)
    examples = [example_from(done.dataset, *kept) for kept in done.ids]
    for position, example in enumerate(examples, start=size_of(done.dataset) - len(examples)):
        example.position = position
    return BatchCreateExamplesResponse(examples=examples, dataset=done.dataset)


def size_of(dataset: dataset_pb2.Dataset) -> int:
    """Returns how many examples a dataset has."""
    return dataset.train_count + dataset.validation_count + dataset.test_count


def lines_of(
    dataset: dataset_pb2.Dataset, examples: Sequence[dataset_pb2.Example], path: str = "examples[{}]."
) -> list[Line]:
    """Returns new examples as lines; raises InvalidFields naming every example and field that does not fit."""
    faults = [fault for i, example in enumerate(examples) for fault in _faults(dataset, example, path.format(i))]
    if faults:
        raise InvalidFields(*faults)
    lines = Lines(dataset)
    return [
        lines.line(
            _split(each),
            shapes.fitted(dataset.input_fields, values_of(each.inputs), "inputs"),
            shapes.fitted(dataset.output_fields, values_of(each.outputs), "outputs"),
        )
        for each in examples
    ]


def _split(example: dataset_pb2.Example) -> str:
    return dataset_pb2.Split.Name(example.split) if example.split else ""


def _faults(shape: dataset_pb2.Dataset, example: dataset_pb2.Example, path: str) -> Iterator[FieldViolation]:
    yield from shapes.value_faults(shape.input_fields, values_of(example.inputs), f"{path}inputs")
    yield from shapes.value_faults(shape.output_fields, values_of(example.outputs), f"{path}outputs")


def example_from(dataset: dataset_pb2.Dataset, identifier: UUID, line: Line) -> dataset_pb2.Example:
    """Returns a line that a dataset has just been given, but for its position."""
    made = dataset_pb2.Example(
        id=str(identifier),
        dataset_id=dataset.id,
        split=dataset_pb2.Split.Value(line.split),
        revision=dataset.revision,
        created_at=dataset.updated_at,
        group_key=line.group,
    )
    made.inputs.CopyFrom(struct_of(json.loads(line.inputs)))
    made.outputs.CopyFrom(struct_of(json.loads(line.outputs)))
    return made
