"""Parquet exports: each field is a typed column, and the file has its name once it is whole."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.exports import Exported
from ashgrove.parquet_files import write_parquet
from pyarrow import parquet


def entries(count: int) -> Iterator[Exported]:
    """Entries as an export brings them."""
    for number in range(1, count + 1):
        entry = AuditEntry(id=f"e{number}", sequence=number, changed_paths=["name"])
        entry.created_at.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
        entry.data.update({"name": "ü", "size": number})
        yield Exported(entry, "")


def test_rows_are_written_in_groups_with_the_types_of_their_fields(tmp_path: Path) -> None:
    """Numbers as numbers, times as times, nested fields as JSON text, absent ones as nulls."""
    path = tmp_path / "audit.parquet"
    assert list(write_parquet(path, entries(2500))) == [1000, 2000, 2500]
    found = parquet.ParquetFile(path)
    assert (found.num_row_groups, found.metadata.num_rows) == (3, 2500)
    row = found.read().slice(2499, 1).to_pylist()[0]
    assert (row["sequence"], row["created_at"]) == (2500, datetime(2026, 1, 1, tzinfo=UTC))
    assert (row["changed_paths"], row["occurred_at"]) == ('["name"]', None)
    assert row["data"] == '{"name": "ü", "size": 2500}'


def test_named_fields_alone_are_columns_and_no_rows_are_a_file_too(tmp_path: Path) -> None:
    """What was not asked for is no column of nulls."""
    path = tmp_path / "some.parquet"
    assert list(write_parquet(path, entries(1), ["sequence", "type"])) == [1]
    assert parquet.read_table(path).column_names == ["sequence", "type"]
    assert list(write_parquet(path, entries(0))) == []
    assert parquet.read_table(path).num_rows == 0


def test_a_cut_export_leaves_no_file_of_that_name(tmp_path: Path) -> None:
    """Half a file must not look whole."""

    def cut() -> Iterator[Exported]:
        yield from entries(1)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(write_parquet(tmp_path / "cut.parquet", cut()))
    assert not (tmp_path / "cut.parquet").exists()
