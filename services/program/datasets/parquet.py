"""Reads Parquet: its footer stands last, so that the file rests on disk until it is whole; rows come some at a time."""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson

from domain.rows.reading import MOST_COLUMNS, Read, Row
from domain.rows.records import LONGEST_RECORD, Unreadable

MOST_GROUP_BYTES = 2**29
"""What a row group may come to: writers may put all of it on one page, which is decoded as a whole."""
_ROWS, _BATCH_BYTES = 500, 64 * 2**20
_VALUE_BYTES = 8


class Parquet:
    """The rows of one Parquet file."""

    typed, nests = True, False

    def __init__(self) -> None:
        self._file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the reader, or by its end

    def feed(self, chunk: bytes) -> Iterator[Read]:
        """Keeps a chunk; nothing can be read yet."""
        self._file.write(chunk)
        return iter(())

    def end(self) -> Iterator[Read]:
        """Yields every row."""
        # Heavy, and of no use to a process that never sees such a file.
        import pyarrow
        from pyarrow import parquet

        with self._file:
            try:
                source = parquet.ParquetFile(self._file, pre_buffer=False, buffer_size=2**20)
                _check(source.schema_arrow.names)
                yield from enumerate(_every(source), start=1)
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise Unreadable("a whole Parquet file") from error
            finally:
                pyarrow.default_memory_pool().release_unused()


def _every(source: Any) -> Iterator[Row | Unreadable]:
    for group in range(source.num_row_groups):
        size = _batch_of(source.metadata.row_group(group), source.schema)
        for batch in source.iter_batches(batch_size=size, row_groups=[group]):
            yield from _rows(batch)


def _batch_of(group: Any, schema: Any) -> int:
    """Returns how many rows of a group are decoded at once: few where they may be long, which is seen only then.

    A text that many rows have is written once, so that a row may be as long as all that is written of its group; and of
    lists with the same values over and over only their number tells how long they are.
    """
    listed = [i for i in range(group.num_columns) if schema.column(i).max_repetition_level]
    size = group.total_byte_size + _VALUE_BYTES * sum(group.column(i).num_values for i in listed)
    if size > MOST_GROUP_BYTES:
        raise Unreadable(f"of row groups of at most {MOST_GROUP_BYTES} bytes; write it with fewer rows in each")
    return int(min(_ROWS, max(1, _BATCH_BYTES // max(1, size))))


def _check(columns: list[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"at most {MOST_COLUMNS} columns")
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise Unreadable(f"each column once; {min(twice)[:80]} is there twice")


def _rows(batch: Any) -> Iterator[Row | Unreadable]:
    """Yields rows; in place of one that is longer than a line of text may be, its fault."""
    if batch.nbytes <= LONGEST_RECORD:
        yield from _read(batch)
        return
    for place in range(batch.num_rows):
        yield _bounded(batch.slice(place, 1))


def _bounded(one: Any) -> Row | Unreadable:
    # A digit and a comma are eight bytes here: what is longer by more than that need not be made anything of.
    if one.nbytes <= _VALUE_BYTES * LONGEST_RECORD:
        (row,) = _read(one)
        if len(orjson.dumps(row, default=str)) <= LONGEST_RECORD:
            return row
    return Unreadable(f"at most {LONGEST_RECORD} bytes")


def _read(batch: Any) -> Iterator[Row]:
    names: Sequence[str] = batch.schema.names
    columns = [_cells(name, column) for name, column in zip(names, batch.columns, strict=True)]
    return (dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True))


def _cells(name: str, column: Any) -> list[Any]:
    try:
        return [_plain(value) for value in column.to_pylist()]
    except UnicodeDecodeError:
        raise Unreadable(f"UTF-8 throughout; the column {name[:80]} is not") from None
    except (ValueError, OverflowError):  # Python has no such times
        told = "a file whose times are of the years 1 to 9999, and round to the microsecond"
        raise Unreadable(f"{told}; those of the column {name[:80]} are not") from None


def _plain(value: Any) -> Any:
    """Returns a cell as JSON has it: times as ISO 8601, decimals as numbers, maps as lists of pairs."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
