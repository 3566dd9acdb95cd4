"""Datasets and their examples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ashgrove.collection import Archived
from ashgrove.program.v1 import dataset_pb2, dataset_requests_pb2
from ashgrove.program.v1 import program_service_pb2 as pb
from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub
from ashgrove.programs import SPLITS
from ashgrove.values import to_struct

_BATCH = 500


class Datasets(Archived[dataset_pb2.Dataset]):
    """The datasets that the caller may see."""

    service, messages, noun, plural = ProgramServiceStub, pb, "Dataset", "datasets"

    def create(
        self, name: str, *, inputs: Sequence[Any], outputs: Sequence[Any], description: str = ""
    ) -> dataset_pb2.Dataset:
        """Creates an empty dataset whose examples have these fields."""
        dataset = dataset_pb2.Dataset(name=name, input_fields=inputs, output_fields=outputs, description=description)
        made: dataset_pb2.Dataset = self._call("CreateDataset", dataset=dataset)
        return made

    def examples(self, identifier: str, filter: str = "") -> Iterator[dataset_pb2.Example]:
        """Yields a dataset's examples in the order of their arrival."""
        request = dataset_requests_pb2.ListExamplesRequest(dataset_id=identifier, filter=filter, order_by="position")
        return self._connection.pages(self._stub.ListExamples, request, "examples")

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
            self._call("BatchCreateExamples", dataset_id=identifier, examples=batch)
            on_progress(len(batch))


def _message(split: str, example: Mapping[str, Any]) -> dataset_pb2.Example:
    return dataset_pb2.Example(
        split=SPLITS[split], inputs=to_struct(example["inputs"]), outputs=to_struct(example["outputs"])
    )
