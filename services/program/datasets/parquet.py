"""Reads Parquet: its footer stands last, so that the file rests on disk until it is whole; rows come some at a time."""

import math
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from domain.rows.reading import MOST_COLUMNS, Read
from domain.rows.records import Unreadable

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
                    for row in batch.to_pylist():
                        number += 1
                        yield number, {name: _plain(value) for name, value in row.items()}
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise Unreadable("a whole Parquet file") from error


def _check(columns: list[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"at most {MOST_COLUMNS} columns")
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise Unreadable(f"each column once; {min(twice)[:80]} is there twice")


def _plain(value: Any) -> Any:
    """Returns a cell as JSON has it: times as ISO 8601, decimals as numbers."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
