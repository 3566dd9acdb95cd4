"""Datasets and their examples: what programs are tried on."""

from collections.abc import Iterator

from ashgrove.program.v1 import dataset_pb2, program_pb2

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
from framework.resource import Resource, Storage, archiving
from services.program import shapes
from services.program.datasets.looking import looks

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


def _ungrouped(dataset: dataset_pb2.Dataset) -> Iterator[FieldViolation]:
    known = {field.name for field in dataset.input_fields}
    for i, name in enumerate(dataset.split_rule.group_fields):
        if name not in known:
            yield FieldViolation(f"dataset.split_rule.group_fields[{i}]", f"{name} is none of the input fields")


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
