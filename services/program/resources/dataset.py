"""Datasets and their examples: what programs are tried on."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import UUID

from ashgrove.program.v1 import dataset_pb2, program_pb2
from ashgrove.program.v1.dataset_requests_pb2 import BatchCreateExamplesRequest, BatchCreateExamplesResponse
from ashgrove.program.v1.example_requests_pb2 import (
    ON_DUPLICATE_SKIP,
    GetExampleSampleRequest,
    GetExampleSampleResponse,
    InferDatasetFieldsRequest,
    InferDatasetFieldsResponse,
    RowFault,
    UploadExamplesRequest,
    UploadExamplesResponse,
)

from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, InvalidFields
from framework.policy import (
    WRITES,
    anyone,
    bypass,
    has_role,
    is_public,
    is_service,
    owns,
    policy,
    signed_in,
)
from framework.query.aggregates import count
from framework.query.formulas import sql
from framework.resource import Resource, Storage, action, archiving, spec_of
from framework.storage import codec_of
from framework.structs import struct_of, values_of
from services.program import shapes
from services.program.datasets.appending import append
from services.program.datasets.inferring import inferred
from services.program.datasets.lines import Line, Lines
from services.program.datasets.looking import looks
from services.program.datasets.receiving import Intake, receive
from services.program.datasets.sampling import sampled

_ADD = "BatchCreateExamples"
_UPLOAD = "UploadExamples"
_INFER = "InferDatasetFields"
_SAMPLE = "GetExampleSample"
FROM_EXECUTION = "AddExecutionToDataset"


class Dataset(Resource[dataset_pb2.Dataset]):
    """Datasets: read by their owner and, when public, by the organization; each batch of examples is a revision."""

    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name")],
        indexes=[("status", "created_at"), ("owner_id", "created_at")],
        initial={"status": dataset_pb2.Dataset.STATUS_ACTIVE, "revision": 1},
    )
    states = archiving("Update", _ADD, _UPLOAD, FROM_EXECUTION)
    computed = {
        "example_count": sql(lambda row: row["train_count"] + row["validation_count"] + row["test_count"], always=True),
        "evaluation_count": count("evaluations"),
        "test_looks": sql(lambda row: looks(row["id"]), always=True),
    }
    policies = [
        bypass(has_role(Role.ADMIN)),
        bypass(is_service, "Get", "List"),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", _SAMPLE, allow=owns | is_public),
        policy("Create", allow=signed_in & owns),
        policy(_INFER, allow=anyone),
        policy("Update", "Archive", "Unarchive", _ADD, _UPLOAD, FROM_EXECUTION, allow=owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
    ]

    async def prepare(self, call: Call, new: dataset_pb2.Dataset, old: dataset_pb2.Dataset | None) -> None:
        """Refuses fields with a name used twice; a dataset is private unless it says otherwise."""
        fields = [
            *shapes.at("dataset.input_fields", new.input_fields),
            *shapes.at("dataset.output_fields", new.output_fields),
        ]
        faults = [*shapes.declared_faults(fields), *_ungrouped(new)]
        if faults:
            raise InvalidFields(*faults)
        new.visibility = new.visibility or program_pb2.Program.VISIBILITY_PRIVATE

    @action(_ADD)
    async def add(self, call: Call, request: BatchCreateExamplesRequest) -> BatchCreateExamplesResponse:
        """Adds examples, all or none, as the dataset's next revision."""
        dataset = await call.get(Dataset, request.dataset_id, verb=_ADD)
        done = await append(call, request.dataset_id, _ADD, lines_of(dataset, request.examples), tell=True)
        examples = [example_from(done.dataset, *kept) for kept in done.ids]
        for position, example in enumerate(examples, start=size_of(done.dataset) - len(examples)):
            example.position = position
        return BatchCreateExamplesResponse(examples=examples, dataset=done.dataset)

    @action(_UPLOAD)
    async def upload(
        self, call: Call, request: UploadExamplesRequest, more: AsyncIterator[UploadExamplesRequest]
    ) -> UploadExamplesResponse:
        """Adds the rows of a file, all or none or the sound ones, as the dataset's next revision."""
        intake = Intake(await call.get(Dataset, request.dataset_id, verb=_UPLOAD), request)
        try:
            await receive(intake, request, more)
            return await _kept(call, request, intake)
        finally:
            intake.close()

    @action(_INFER)
    async def infer(self, call: Call, request: InferDatasetFieldsRequest) -> InferDatasetFieldsResponse:
        """Says which fields a file's rows have."""
        return await asyncio.to_thread(inferred, request)

    @action(_SAMPLE)
    async def sample(self, call: Call, request: GetExampleSampleRequest) -> GetExampleSampleResponse:
        """Draws examples at random, the same ones for the same seed."""
        async with call.transaction() as tx:
            row = await call.row(Dataset, request.dataset_id, verb=_SAMPLE)
            drawn = await sampled(tx, row, request)
        codec = codec_of(spec_of(Example))
        return GetExampleSampleResponse(examples=[codec.message(example) for example in drawn])


def _ungrouped(dataset: dataset_pb2.Dataset) -> Iterator[FieldViolation]:
    known = {field.name for field in dataset.input_fields}
    for i, name in enumerate(dataset.split_rule.group_fields):
        if name not in known:
            yield FieldViolation(f"dataset.split_rule.group_fields[{i}]", f"{name} is none of the input fields")


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


async def _kept(call: Call, request: UploadExamplesRequest, intake: Intake) -> UploadExamplesResponse:
    """Adds what a file brought, unless it was only to be judged."""
    answer = UploadExamplesResponse(
        refused_count=intake.refused,
        faults=[RowFault(row=f.row, column=f.column, expectation=f.expectation) for f in intake.faults],
    )
    if request.validate_only:
        answer.dataset.CopyFrom(await call.get(Dataset, request.dataset_id, verb=_UPLOAD))
        answer.added_count = intake.counts.total()
        return answer
    skip = request.on_duplicate == ON_DUPLICATE_SKIP
    done = await append(call, request.dataset_id, _UPLOAD, intake.lines(), etag=request.etag, skip=skip)
    answer.dataset.CopyFrom(done.dataset)
    answer.added_count, answer.duplicate_count = done.added, done.duplicates
    return answer


class Example(Resource[dataset_pb2.Example]):
    """Examples: read by whoever may read their dataset; only ever added."""

    storage = Storage(
        indexes=[("dataset_id", "created_at"), ("dataset_id", "content_key")],
        hidden={"content_key": "text NOT NULL DEFAULT ''"},
        references={"dataset_id": "datasets"},
        part_of=["dataset_id"],
        append_only=True,
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=of_readable(Dataset, "dataset_id")),
    ]


class DatasetRevision(Resource[dataset_pb2.DatasetRevision]):
    """Revisions: read by whoever may read their dataset; only ever added."""

    storage = Storage(
        unique=[("dataset_id", "revision")],
        references={"dataset_id": "datasets"},
        part_of=["dataset_id"],
        append_only=True,
    )
    computed = {"test_looks": sql(lambda row: looks(row["dataset_id"], row["revision"]), always=True)}
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=of_readable(Dataset, "dataset_id")),
    ]
