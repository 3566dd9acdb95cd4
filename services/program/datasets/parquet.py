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

_ROWS = 500


class Parquet:
    """The rows of one Parquet file."""

    typed = True

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
                source = parquet.ParquetFile(self._file, pre_buffer=False)
                _check(source.schema_arrow.names)
                number = 0
                for batch in source.iter_batches(batch_size=_ROWS):
                    for row in _rows(batch):
                        number += 1
                        yield number, row
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise Unreadable("a whole Parquet file") from error


def _check(columns: list[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"at most {MOST_COLUMNS} columns")
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise Unreadable(f"each column once; {min(twice)[:80]} is there twice")


def _rows(batch: Any) -> Iterator[Row | Unreadable]:
    """Yields rows; in place of one that is longer than a line of text may be, its fault."""
    names: Sequence[str] = batch.schema.names
    columns = [_cells(name, column) for name, column in zip(names, batch.columns, strict=True)]
    may_be_long = batch.nbytes > LONGEST_RECORD
    for cells in zip(*columns, strict=True):
        row = dict(zip(names, cells, strict=True))
        if may_be_long and len(orjson.dumps(row, default=str)) > LONGEST_RECORD:
            yield Unreadable(f"at most {LONGEST_RECORD} bytes")
        else:
            yield row


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
