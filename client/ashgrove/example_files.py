"""Files of examples: sent in pieces, and written row by row as JSON lines, CSV or Parquet."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ashgrove.program.v1 import dataset_pb2, example_requests_pb2, signature_pb2
from ashgrove.values import to_dict

FORMATS = {
    "jsonl": example_requests_pb2.EXAMPLE_FORMAT_JSONL,
    "csv": example_requests_pb2.EXAMPLE_FORMAT_CSV,
    "parquet": example_requests_pb2.EXAMPLE_FORMAT_PARQUET,
}
PIECE_BYTES = 256 * 1024
SAMPLE_BYTES = 1024 * 1024
_GROUP = 1000
_TYPES = {
    signature_pb2.SignatureField.TYPE_INTEGER: "int64",
    signature_pb2.SignatureField.TYPE_NUMBER: "float64",
    signature_pb2.SignatureField.TYPE_BOOLEAN: "bool_",
    signature_pb2.SignatureField.TYPE_PROBABILITY: "float64",
    signature_pb2.SignatureField.TYPE_CONFIDENCE: "float64",
}
Row = dict[str, Any]


def format_of(path: Path, form: str = "") -> str:
    """Returns the format of a file, by its name unless it is said; raises ValueError when neither says it."""
    found = form or {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}.get(path.suffix, path.suffix[1:])
    if found not in FORMATS:
        raise ValueError(f"{path.name}: the format must be {', '.join(FORMATS)}; name the file so, or say `--format`")
    return found


def pieces(path: Path, on_progress: Callable[[int], object]) -> Iterator[example_requests_pb2.UploadExamplesRequest]:
    """Yields a file in pieces; `on_progress` hears how many bytes were sent so far."""
    sent = 0
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            piece = example_requests_pb2.UploadExamplesRequest()
            piece.body.data = data
            yield piece
            sent += len(data)
            on_progress(sent)


def sample_of(path: Path, form: str) -> bytes:
    """Returns what fields can be inferred from: the beginning of a file, the whole of a Parquet one."""
    with path.open("rb") as file:
        data = file.read(SAMPLE_BYTES + 1)
    if form == "parquet" and len(data) > SAMPLE_BYTES:
        raise ValueError(f"{path.name} is too large to infer fields from: create the dataset with fields of your own")
    return data[:SAMPLE_BYTES]


def write(path: Path, form: str, dataset: dataset_pb2.Dataset, examples: Iterable[Any]) -> Iterator[int]:
    """Writes examples and yields how many there are so far; the file has its name once it is whole."""
    part = path.with_name(path.name + ".part")
    writer: Callable[[Path, dataset_pb2.Dataset, Iterator[Row]], Iterator[int]] = _WRITERS[form]
    yield from writer(part, dataset, map(_row, examples))
    part.replace(path)


def _row(example: Any) -> Row:
    split = dataset_pb2.Split.Name(example.split).removeprefix("SPLIT_").lower()
    return {"inputs": to_dict(example.inputs), "outputs": to_dict(example.outputs), "split": split}


def _write_jsonl(path: Path, dataset: dataset_pb2.Dataset, rows: Iterator[Row]) -> Iterator[int]:
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, start=1):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            yield count


def _write_csv(path: Path, dataset: dataset_pb2.Dataset, rows: Iterator[Row]) -> Iterator[int]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _columns(dataset))
        writer.writeheader()
        for count, row in enumerate(rows, start=1):
            writer.writerow({name: _text(value) for name, value in _flat(row).items()})
            yield count


def _write_parquet(path: Path, dataset: dataset_pb2.Dataset, rows: Iterator[Row]) -> Iterator[int]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: install `ashgrove[parquet]`, or download jsonl") from None
    fields = [*dataset.input_fields, *dataset.output_fields]
    schema = pyarrow.schema([*((f.name, _arrow(pyarrow, f)) for f in fields), ("split", pyarrow.string())])
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP)):
            cells = [{name: _cell(schema.field(name).type, v) for name, v in _flat(row).items()} for row in group]
            writer.write_table(pyarrow.Table.from_pylist(cells, schema=schema))
            count += len(group)
            yield count


_WRITERS: Mapping[str, Any] = {"jsonl": _write_jsonl, "csv": _write_csv, "parquet": _write_parquet}


def _columns(dataset: dataset_pb2.Dataset) -> Sequence[str]:
    return [*(field.name for field in [*dataset.input_fields, *dataset.output_fields]), "split"]


def _flat(row: Row) -> Row:
    return {**row["inputs"], **row["outputs"], "split": row["split"]}


def _text(value: Any) -> Any:
    # Null too is written: an empty cell is what an example does not have.
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _arrow(pyarrow: Any, field: Any) -> Any:
    if field.type == signature_pb2.SignatureField.TYPE_STRING_LIST:
        return pyarrow.list_(pyarrow.string())
    return getattr(pyarrow, _TYPES.get(field.type, "string"))()


def _cell(kind: Any, value: Any) -> Any:
    # What has no column type of its own is JSON text.
    return value if value is None or str(kind) != "string" else _text(value)
