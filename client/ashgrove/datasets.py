"""Datasets and their examples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ashgrove import example_files
from ashgrove.areas import ProgramArea
from ashgrove.collection import Unique
from ashgrove.exports import Exports
from ashgrove.program.v1 import dataset_pb2, dataset_requests_pb2, example_requests_pb2, feedback_requests_pb2
from ashgrove.values import numbered, to_struct

_BATCH = 500


class Datasets(Unique[dataset_pb2.Dataset]):
    """The datasets that the caller may see."""

    area, noun, plural = ProgramArea, "Dataset", "datasets"

    def create(
        self,
        name: str,
        *,
        inputs: Sequence[Any],
        outputs: Sequence[Any],
        description: str = "",
        percents: tuple[int, int, int] = (60, 20, 20),
        salt: str = "",
        group_fields: Sequence[str] = (),
        likeness: float | None = None,
    ) -> dataset_pb2.Dataset:
        """Creates an empty dataset whose examples have these fields.

        `percents` of the groups are for training, validation and testing; `group_fields` are the inputs that make a
        group, all of them when there are none; from `likeness` on, such as 0.8, near-duplicates stay together.
        """
        dataset = dataset_pb2.Dataset(name=name, input_fields=inputs, output_fields=outputs, description=description)
        train, validation, test = percents
        rule = dataset_pb2.SplitRule(train_percent=train, validation_percent=validation, test_percent=test, salt=salt)
        rule.group_fields.extend(group_fields)
        if likeness is not None:
            rule.likeness = likeness
        dataset.split_rule.CopyFrom(rule)
        made: dataset_pb2.Dataset = self._call("CreateDataset", dataset=dataset)
        return made

    def examples(self, identifier: str, filter: str = "") -> Iterator[dataset_pb2.Example]:
        """Yields a dataset's examples in the order of their arrival."""
        request = dataset_requests_pb2.ListExamplesRequest(dataset_id=identifier, filter=filter, order_by="position")
        return self._connection.pages(self._stub.ListExamples, request, "examples")

    def add_execution(
        self,
        identifier: str,
        execution_id: str,
        *,
        feedback_id: str = "",
        outputs: Mapping[str, Any] | None = None,
        split: str = "",
        skip_duplicate: bool = False,
    ) -> feedback_requests_pb2.AddExecutionToDatasetResponse:
        """Makes an execution an example, with its own outputs, those that feedback corrected, or `outputs`."""
        expected: dict[str, Any] = {"feedback_id": feedback_id} if feedback_id else {}
        if outputs is not None:
            expected["outputs"] = to_struct(outputs)
        asked = {"id": execution_id, "dataset_id": identifier, "skip_duplicate": skip_duplicate, **expected}
        place = numbered(dataset_pb2.Split, split)
        done: feedback_requests_pb2.AddExecutionToDatasetResponse
        done = self._call("AddExecutionToDataset", split=place, **asked)
        return done

    def upload(
        self,
        identifier: str,
        path: Path,
        *,
        form: str = "",
        split: str = "",
        keep_rest: bool = False,
        skip_duplicates: bool = False,
        ignore_unknown: bool = False,
        validate_only: bool = False,
        etag: str = "",
        on_progress: Callable[[int], object] = lambda _: None,
    ) -> example_requests_pb2.UploadExamplesResponse:
        """Adds the rows of a file as one revision; `on_progress` hears how many bytes were sent.

        The format is that of the file's name unless `form` says jsonl, csv or parquet. Raises InvalidArgument naming
        rows and columns; with `keep_rest` the sound rows are added, and the answer names the others.
        """
        rpc = example_requests_pb2
        first = rpc.UploadExamplesRequest(
            dataset_id=identifier,
            format=example_files.FORMATS[example_files.format_of(path, form)],
            split=numbered(dataset_pb2.Split, split),
            on_error=rpc.ON_ERROR_KEEP_REST if keep_rest else rpc.ON_ERROR_REFUSE_ALL,
            on_duplicate=rpc.ON_DUPLICATE_SKIP if skip_duplicates else rpc.ON_DUPLICATE_KEEP,
            ignore_unknown=ignore_unknown,
            validate_only=validate_only,
            etag=etag,
        )
        requests = chain([first], example_files.pieces(path, on_progress))
        done: rpc.UploadExamplesResponse = self._connection.send(self._stub.UploadExamples, requests)
        return done

    def infer(
        self, path: Path, outputs: Sequence[str] = (), form: str = ""
    ) -> example_requests_pb2.InferDatasetFieldsResponse:
        """Returns the fields that a dataset must have to take a file's rows; `outputs` names those that are outputs."""
        form = example_files.format_of(path, form)
        content = example_files.sample_of(path, form)
        found: example_requests_pb2.InferDatasetFieldsResponse = self._call(
            "InferDatasetFields", format=example_files.FORMATS[form], content=content, outputs=outputs
        )
        return found

    def download(
        self, identifier: str, path: Path, *, form: str = "", split: str = "", revision: int = 0
    ) -> Iterator[int]:
        """Writes a dataset's examples in their order into a file, and yields how many there are so far."""
        form = example_files.format_of(path, form)
        dataset = self.get(identifier)
        wanted = [f'dataset_id = "{dataset.id}"', f"revision <= {revision or dataset.revision}"]
        wanted += [f"split = {split}"] if split else []
        rows = Exports(self._connection).rows("examples", filter=" AND ".join(wanted), order_by="position")
        return example_files.write(path, form, dataset, (row.resource for row in rows))

    def sample(
        self, identifier: str, count: int = 50, *, split: str = "", seed: int = 0, revision: int = 0
    ) -> Sequence[dataset_pb2.Example]:
        """Returns examples drawn at random: the same ones for the same seed and revision."""
        asked = {"dataset_id": identifier, "count": count, "seed": seed, "dataset_revision": revision}
        found = self._call("GetExampleSample", split=numbered(dataset_pb2.Split, split), **asked)
        return list(found.examples)

    def revisions(self, identifier: str) -> Iterator[dataset_pb2.DatasetRevision]:
        """Yields a dataset's revisions, newest first: what each brought, and its hash."""
        request = example_requests_pb2.ListDatasetRevisionsRequest(dataset_id=identifier, order_by="revision desc")
        return self._connection.pages(self._stub.ListDatasetRevisions, request, "dataset_revisions")

    def add_examples(
        self,
        identifier: str,
        split: str,
        examples: Sequence[Mapping[str, Any]],
        on_progress: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Adds `{"inputs", "outputs"}` examples in batches; `on_progress` hears how many each batch brought.

        They go to the split that is named; for "" the dataset's rule decides.
        """
        for start in range(0, len(examples), _BATCH):
            batch = [_message(split, e) for e in examples[start : start + _BATCH]]
            self._call("BatchCreateExamples", dataset_id=identifier, examples=batch)
            on_progress(len(batch))


def _message(split: str, example: Mapping[str, Any]) -> dataset_pb2.Example:
    return dataset_pb2.Example(
        split=numbered(dataset_pb2.Split, split),
        inputs=to_struct(example["inputs"]),
        outputs=to_struct(example["outputs"]),
    )
