"""Reads records as rows: JSON objects, and the cells of CSV under the columns that its first row names."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import orjson

from domain.rows.records import LONGEST_RECORD, Records, Unreadable

Row = Mapping[str, Any]
Read = tuple[int, Row | Unreadable]
"""A row with its number from 1, or why it cannot be read; number 0 is the row that names the columns."""

MOST_COLUMNS = 1000

csv.field_size_limit(LONGEST_RECORD)  # the module's own bound is lower than that of a record


class Reader(Protocol):
    """Takes a file's bytes as they come, and yields its rows; Unreadable when there is nothing to be read at all."""

    typed: bool
    """Whether values have types of their own; text everywhere otherwise."""

    nests: bool
    """Whether rows hold lists and objects, and leave fields out; in a table those may be JSON text, these are null."""

    def feed(self, chunk: bytes) -> Iterator[Read]:
        """Yields the rows that a chunk completes."""

    def end(self) -> Iterator[Read]:
        """Yields the rows that are left."""


class _ByRecord(ABC):
    """A file of records, each a row at most."""

    def __init__(self, *, quoted: bool) -> None:
        self._records = Records(quoted=quoted)
        self._number = 0

    def feed(self, chunk: bytes) -> Iterator[Read]:
        """Yields the rows that a chunk completes."""
        return self._rows(self._records.feed(chunk))

    def end(self) -> Iterator[Read]:
        """Yields the rows that are left."""
        return self._rows(self._records.end())

    @abstractmethod
    def _rows(self, records: Iterator[bytes | Unreadable]) -> Iterator[Read]:
        """Yields the rows of some records."""


class JsonLines(_ByRecord):
    """A JSON object a line; empty lines are none."""

    typed = nests = True

    def __init__(self) -> None:
        super().__init__(quoted=False)

    def _rows(self, records: Iterator[bytes | Unreadable]) -> Iterator[Read]:
        for record in records:
            self._number += 1
            if isinstance(record, Unreadable):
                yield self._number, record
            elif record.strip():
                yield self._number, _object(record)


class CommaSeparated(_ByRecord):
    """CSV as RFC 4180 has it: a first row of column names, then as many cells a row."""

    typed = nests = False

    def __init__(self) -> None:
        super().__init__(quoted=True)
        self._columns: list[str] = []

    def _rows(self, records: Iterator[bytes | Unreadable]) -> Iterator[Read]:
        for record in records:
            if isinstance(record, bytes) and not record.strip():
                continue
            if not self._columns:
                self._columns = _columns(record)
                continue
            self._number += 1
            yield self._number, self._row(record)

    def _row(self, record: bytes | Unreadable) -> Row | Unreadable:
        try:
            cells = _cells(record)
        except Unreadable as fault:
            return fault
        if len(cells) != len(self._columns):
            return Unreadable(f"{len(self._columns)} cells, as the first row has; there are {len(cells)}")
        return dict(zip(self._columns, cells, strict=True))


def _object(record: bytes) -> Row | Unreadable:
    found = _quickly(record)
    return _closely(record) if found is None else found


def _quickly(record: bytes) -> Row | None:
    """Returns an object of text and small integers; None for whatever might be read in more than one way.

    Without escapes there are two quotes to each name and to each text: a name that is there twice leaves some over.
    """
    if b"\\" in record:
        return None
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(record)
        if type(found) is not dict:
            return None
        texts = len(found)
        for value in found.values():
            if type(value) is str:
                texts += 1
            elif type(value) is not int:
                return None
        return found if record.count(b'"') == 2 * texts else None
    return None


def _closely(record: bytes) -> Row | Unreadable:
    try:
        found = _DECODER.decode(_text(record))
    except Unreadable as fault:
        return fault
    except RecursionError:
        return Unreadable("JSON that is not nested so deeply")
    except ValueError as error:
        where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        return Unreadable(f"a JSON object{where}")
    return found if isinstance(found, dict) else Unreadable("a JSON object")


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise Unreadable(f"each name once; {name[:80]} is there twice")
    return found


# NaN and its like are none of JSON's; taken for numbers, they are refused with their column.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=float)


def _text(record: bytes) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"UTF-8; byte {error.start + 1} of the row is none") from None


def _columns(record: bytes | Unreadable) -> list[str]:
    columns = [name.strip() for name in _cells(record)]
    counts = Counter(columns)
    if len(columns) > MOST_COLUMNS:
        raise Unreadable(f"at most {MOST_COLUMNS} columns")
    if "" in counts:
        raise Unreadable(f"a name for every column; column {columns.index('') + 1} has none")
    if twice := [name for name, count in counts.items() if count > 1]:
        raise Unreadable(f"each column once; {twice[0][:80]} is there {counts[twice[0]]} times")
    return columns


def _cells(record: bytes | Unreadable) -> list[str]:
    if isinstance(record, Unreadable):
        raise record
    try:
        # Line ends within quotes belong to the cell, so the record must not be cut again.
        found = list(csv.reader(io.StringIO(_text(record.removesuffix(b"\r")), newline=""), strict=True))
    except csv.Error as error:
        raise Unreadable(f"cells as RFC 4180 has them: {error}") from None
    if len(found) != 1:
        raise Unreadable("cells as RFC 4180 has them: a line ends outside of quotes")
    return found[0]
