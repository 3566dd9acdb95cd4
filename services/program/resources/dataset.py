"""Datasets and their examples: what programs are tried on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ashgrove.program.v1 import dataset_pb2, dataset_requests_pb2, program_pb2
from psycopg.types.json import Jsonb

from domain.values import normalise
from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, InvalidFields
from framework.identifiers import new_id
from framework.policy import (
    WRITES,
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
from framework.storage import codec_of, increment
from framework.structs import values_of
from services.program import shapes

_VERB = "BatchCreateExamples"
COUNTS = {
    dataset_pb2.SPLIT_TRAIN: "train_count",
    dataset_pb2.SPLIT_VALIDATION: "validation_count",
    dataset_pb2.SPLIT_TEST: "test_count",
}
_INSERT = """
INSERT INTO examples (organization_id, id, dataset_id, split, inputs, outputs, position, revision)
VALUES (%(organization_id)s, %(id)s, %(dataset_id)s, %(split)s, %(inputs)s, %(outputs)s, %(position)s, %(revision)s)
"""


class Dataset(Resource[dataset_pb2.Dataset]):
    """Datasets: read by their owner and, when public, by the organization; each batch of examples is a revision."""

    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name")],
        indexes=[("status", "created_at"), ("owner_id", "created_at")],
        initial={"status": dataset_pb2.Dataset.STATUS_ACTIVE, "revision": 1},
    )
    states = archiving("Update", _VERB)
    computed = {
        "example_count": sql(lambda row: row["train_count"] + row["validation_count"] + row["test_count"], always=True),
        "evaluation_count": count("evaluations"),
    }
    policies = [
        bypass(has_role(Role.ADMIN)),
        bypass(is_service, "Get", "List"),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", allow=owns | is_public),
        policy("Create", allow=signed_in & owns),
        policy("Update", "Archive", "Unarchive", _VERB, allow=owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
    ]

    async def prepare(self, call: Call, new: dataset_pb2.Dataset, old: dataset_pb2.Dataset | None) -> None:
        """Refuses fields with a name used twice; a dataset is private unless it says otherwise."""
        fields = [
            *shapes.at("dataset.input_fields", new.input_fields),
            *shapes.at("dataset.output_fields", new.output_fields),
        ]
        faults = list(shapes.declared_faults(fields))
        if faults:
            raise InvalidFields(*faults)
        new.visibility = new.visibility or program_pb2.Program.VISIBILITY_PRIVATE

    @action(_VERB)
    async def add(
        self, call: Call, request: dataset_requests_pb2.BatchCreateExamplesRequest
    ) -> dataset_requests_pb2.BatchCreateExamplesResponse:
        """Adds examples, all or none, as the dataset's next revision."""
        async with call.transaction() as tx:
            row = await call.row(Dataset, request.dataset_id, verb=_VERB, lock=True)
            rows = _rows(row, request.examples)
            await tx.execute_many(_INSERT, rows)
            added = Counter(example.split for example in request.examples)
            columns = {COUNTS[split]: increment(count) for split, count in added.items()} | {"revision": increment()}
            dataset = await call.update(Dataset, request.dataset_id, columns, verb=_VERB)
        codec = codec_of(spec_of(Example))
        examples = [codec.message({**r, "inputs": r["inputs"].obj, "outputs": r["outputs"].obj}) for r in rows]
        for example in examples:
            example.created_at.CopyFrom(dataset.updated_at)
        return dataset_requests_pb2.BatchCreateExamplesResponse(examples=examples, dataset=dataset)


def _rows(dataset: dict[str, Any], examples: Sequence[dataset_pb2.Example]) -> list[dict[str, Any]]:
    """Returns the rows of new examples; raises InvalidFields naming every example and field that does not fit."""
    shape = codec_of(spec_of(Dataset)).message(dataset)
    faults = [fault for i, example in enumerate(examples) for fault in _faults(shape, example, f"examples[{i}]")]
    if faults:
        raise InvalidFields(*faults)
    first = sum(dataset[count] for count in COUNTS.values())
    return [_row(dataset, example, first + i) for i, example in enumerate(examples)]


def _faults(shape: dataset_pb2.Dataset, example: dataset_pb2.Example, path: str) -> Iterator[FieldViolation]:
    yield from shapes.value_faults(shape.input_fields, values_of(example.inputs), f"{path}.inputs")
    yield from shapes.value_faults(shape.output_fields, values_of(example.outputs), f"{path}.outputs")


def _row(dataset: dict[str, Any], example: dataset_pb2.Example, position: int) -> dict[str, Any]:
    return {
        "organization_id": dataset["organization_id"],
        "id": new_id(),
        "dataset_id": dataset["id"],
        "split": dataset_pb2.Split.Name(example.split),
        "inputs": Jsonb(normalise(values_of(example.inputs))),
        "outputs": Jsonb(normalise(values_of(example.outputs))),
        "position": position,
        "revision": dataset["revision"] + 1,
    }


class Example(Resource[dataset_pb2.Example]):
    """Examples: read by whoever may read their dataset; only ever added."""

    storage = Storage(
        indexes=[("dataset_id", "created_at")],
        references={"dataset_id": "datasets"},
        part_of=["dataset_id"],
        append_only=True,
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=of_readable(Dataset, "dataset_id")),
    ]
