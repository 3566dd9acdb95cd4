"""Datasets and their examples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ashgrove.connection import Connection
from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1 import program_service_pb2 as pb
from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub
from ashgrove.programs import SPLITS
from ashgrove.values import to_struct

_BATCH = 500


class Datasets:
    """The datasets that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = ProgramServiceStub(connection.channel)

    def create(
        self, name: str, *, inputs: Sequence[Any], outputs: Sequence[Any], description: str = ""
    ) -> dataset_pb2.Dataset:
        """Creates an empty dataset whose examples have these fields."""
        dataset = dataset_pb2.Dataset(name=name, input_fields=inputs, output_fields=outputs, description=description)
        made: dataset_pb2.Dataset = self._connection.call(
            self._stub.CreateDataset, pb.CreateDatasetRequest(dataset=dataset)
        )
        return made

    def get(self, identifier: str) -> dataset_pb2.Dataset:
        """Returns a dataset."""
        found: dataset_pb2.Dataset = self._connection.call(self._stub.GetDataset, pb.GetDatasetRequest(id=identifier))
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[dataset_pb2.Dataset]:
        """Yields datasets, page after page."""
        request = pb.ListDatasetsRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListDatasets, request, "datasets")

    def add_examples(
        self,
        identifier: str,
        split: str,
        examples: Sequence[Mapping[str, Any]],
        on_progress: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Adds `{"inputs", "outputs"}` examples in batches; `on_progress` hears how many each batch brought."""
        for start in range(0, len(examples), _BATCH):
            batch = [_message(split, e) for e in examples[start : start + _BATCH]]
            request = pb.BatchCreateExamplesRequest(dataset_id=identifier, examples=batch)
            self._connection.call(self._stub.BatchCreateExamples, request)
            on_progress(len(batch))


def _message(split: str, example: Mapping[str, Any]) -> dataset_pb2.Example:
    return dataset_pb2.Example(
        split=SPLITS[split], inputs=to_struct(example["inputs"]), outputs=to_struct(example["outputs"])
    )
