"""Rows of Parquet files: what JSON cannot hold is told by row and column, and what a few bytes unfold to is bounded."""

import io
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1 import example_requests_pb2 as rpc
from pyarrow import parquet

from domain.rows.records import LONGEST_RECORD, Unreadable
from framework.errors import InvalidFields
from services.program.datasets import inferring, receiving
from services.program.datasets import parquet as reading
from services.program.datasets.parquet import Parquet
from services.program.datasets.receiving import Intake


def written(column: Any, **more: Any) -> bytes:
    """A file with one column, `a`."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": column}), file, **more)
    return file.getvalue()


def rows(data: bytes) -> list[Any]:
    """What is read of a file."""
    reader = Parquet()
    return [*reader.feed(data), *reader.end()]


async def inferred(data: bytes) -> rpc.InferDatasetFieldsResponse:
    """What is said of a file's fields."""
    asked = rpc.InferDatasetFieldsRequest(content=data, format=rpc.EXAMPLE_FORMAT_PARQUET)
    none: Any = None
    return await inferring.infer(none, asked)


@pytest.mark.parametrize("column", [
    pa.array([1], pa.timestamp("ns")), pa.array([1], pa.time64("ns")), pa.array([2**62], pa.timestamp("ms"))
])  # fmt: skip
def test_a_column_of_times_that_python_does_not_have_is_named(column: Any) -> None:
    """Nanoseconds and far years: the file is whole, and is not said to be anything else."""
    with pytest.raises(Unreadable, match="to the microsecond; those of the column a are not"):
        rows(written(column))
    assert rows(written(pa.array([1_000], pa.timestamp("ns")))) == [(1, {"a": "1970-01-01T00:00:00.000001"})]


def test_a_map_is_a_list_of_pairs() -> None:
    """As Parquet has it: its keys may be anything, and there twice."""
    assert rows(written(pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())))) == [(1, {"a": [["k", 1]]})]


def test_a_row_is_as_long_as_a_line_may_be() -> None:
    """The one that is longer is refused, and those around it are read."""
    (_, first), (_, long), (_, last) = rows(written(["x", "y" * LONGEST_RECORD, "z"]))
    assert (first, last) == ({"a": "x"}, {"a": "z"})
    assert isinstance(long, Unreadable) and str(long) == f"at most {LONGEST_RECORD} bytes"


@pytest.mark.parametrize(("cell", "told"), [
    (b"abc", "is not a JSON value but a bytes"),
    (timedelta(seconds=1), "is not a JSON value but a timedelta"),
    (float("inf"), "must be a finite number"),
    (2**60, "is an integer beyond 2^53"),
])  # fmt: skip
async def test_what_json_cannot_hold_is_a_fault_of_its_row(cell: Any, told: str) -> None:
    """The fields are those of the other rows; of nothing else there are none."""
    kind = pa.array([cell]).type
    with pytest.raises(InvalidFields, match=f"its column a in row 1 {told.replace('^', '.')}"):
        await inferred(written(pa.array([cell], kind)))
    found = await inferred(written(pa.array([cell, None], kind)))
    assert [(each.row, each.column) for each in found.faults] == [(1, "a")] and found.row_count == 1
    assert found.faults[0].expectation.startswith(told)


async def test_no_more_rows_are_read_than_are_looked_at() -> None:
    """What comes after them may be a billion, or broken."""
    data = written(["x"] * 2 * inferring.MOST_ROWS, row_group_size=inferring.MOST_ROWS)
    later = parquet.read_metadata(io.BytesIO(data)).row_group(1).column(0)
    start = later.dictionary_page_offset
    broken = data[:start] + b"\xff" * later.total_compressed_size + data[start + later.total_compressed_size :]
    assert (await inferred(broken)).row_count == inferring.MOST_ROWS


def test_what_a_file_unfolds_to_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million equal rows are a few bytes of Parquet."""
    monkeypatch.setattr(receiving, "MOST_BYTES", 100_000)
    dataset = dataset_pb2.Dataset()
    dataset.input_fields.add(name="a")
    intake = Intake(dataset, rpc.UploadExamplesRequest(format=rpc.EXAMPLE_FORMAT_PARQUET))
    data = written(["x"] * 5_000)
    assert len(data) < 10_000
    intake.take(data)
    with pytest.raises(InvalidFields, match="its rows may take 100000 bytes; send it in parts"):
        intake.end()
    intake.close()


def test_what_is_decoded_at_once_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that all rows share is written once, and what repeats hardly at all: what they may come to counts."""
    seen: list[int] = []
    monkeypatch.setattr(reading, "_rows", lambda batch: iter([None] * (seen.append(batch.num_rows) or 1)))
    rows(written(["x"] * 1_000))
    assert seen == [500, 500]
    seen.clear()
    monkeypatch.setattr(reading, "_BATCH_BYTES", 1_000)
    rows(written(["x" * 100] * 20))
    rows(written([[1] * 30] * 4))
    assert max(seen) <= 5 and sum(seen) == 24
    seen.clear()
    rows(written(["x" * 2_000] * 3))
    assert seen == [1, 1, 1]
    monkeypatch.setattr(reading, "MOST_GROUP_BYTES", 1_000)
    with pytest.raises(Unreadable, match="row groups of at most 1000 bytes; write it with fewer rows in each"):
        rows(written([[1] * 200]))


def test_a_row_that_is_too_long_is_not_made_anything_of() -> None:
    """A list of a million numbers that are the same is a few bytes; those around it are read."""
    numbers = pa.array([[7], [1] * (LONGEST_RECORD + 1), [8]], pa.list_(pa.int64()))
    (_, first), (_, long), (_, last) = rows(written(numbers))
    assert (first, last) == ({"a": [7]}, {"a": [8]})
    assert isinstance(long, Unreadable)
    short = pa.array([[1] * (LONGEST_RECORD // 3)], pa.list_(pa.int64()))
    assert len(rows(written(short))[0][1]["a"]) == LONGEST_RECORD // 3
