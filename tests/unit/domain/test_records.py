"""Files are read in chunks of any size, whatever is wrong with them."""

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rows.reading import CommaSeparated, JsonLines, Reader
from domain.rows.records import LONGEST_RECORD, Records, Unreadable


def read(reader: Reader, data: bytes, size: int = 7) -> list[tuple[int, Any]]:
    """Reads a whole file in chunks of a size; faults are their words."""
    rows = []
    for start in range(0, len(data), size):
        rows += list(reader.feed(data[start : start + size]))
    rows += list(reader.end())
    return [(number, str(row) if isinstance(row, Unreadable) else row) for number, row in rows]


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none())), st.integers(1, 99))
def test_json_lines_are_read_whatever_the_chunks(rows: list[dict[str, Any]], size: int) -> None:
    """What was written is read, with a byte order mark or without."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    for mark in (b"", b"\xef\xbb\xbf"):
        assert read(JsonLines(), mark + data, size) == list(enumerate(rows, start=1))


_cell = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(_cell, _cell)), st.integers(1, 99), st.sampled_from(["\n", "\r\n"]))
def test_csv_is_read_whatever_the_chunks(rows: list[tuple[str, str]], size: int, ends: str) -> None:
    """Quotes, commas and line ends within cells included."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    expected = [{"a": a, "b": b} for a, b in rows]
    assert [row for _, row in read(CommaSeparated(), text.getvalue().encode(), size)] == expected


def test_each_bad_line_is_a_fault_of_its_own() -> None:
    """What comes after it is read all the same."""
    data = b'{"a": 1}\n{"a": \nnull\n{"a": NaN}\n\xff\xfe{}\n{"a": 1, "a": 2}\n' + b"[" * 100_000 + b'\n{"a": 2}'
    told = dict(read(JsonLines(), data, 1000))
    assert told[1] == {"a": 1} and told[8] == {"a": 2}
    assert "JSON object" in told[2] and "JSON object" in told[3] and math.isnan(told[4]["a"])
    assert "UTF-8; byte 1" in told[5] and "twice" in told[6] and "nested" in told[7]


def test_a_cell_of_a_hundred_megabytes_is_refused_in_the_memory_of_one_chunk() -> None:
    """It is never put together; the next row is read."""
    records = Records()
    chunk, kept = b"x" * 65_536, 0
    for _ in range(1600):
        assert list(records.feed(chunk)) == []
        kept = max(kept, len(records._rest))
    assert kept <= LONGEST_RECORD
    (long, short) = records.feed(b'\n{"a": 1}\n')
    assert isinstance(long, Unreadable) and short == b'{"a": 1}'


def test_ragged_rows_and_open_quotes_are_faults() -> None:
    """Each names what was expected."""
    told = dict(read(CommaSeparated(), b'a,b\n1,2\n1\n1,2,3\n"x"y,2\n3,4\n"never\n5,6\n'))
    assert told[1] == {"a": "1", "b": "2"} and told[5] == {"a": "3", "b": "4"}
    assert "2 cells" in told[2] and "there are 3" in told[3] and "RFC 4180" in told[4] and "never closed" in told[6]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b,a\n1,2,3\n", "a is there 2 times"),
        (b"a,,b\n1,2,3\n", "column 2 has none"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"\xffa,b\n", "UTF-8"),
    ],
)
def test_a_file_without_sound_columns_is_refused_as_a_whole(data: bytes, told: str) -> None:
    """Nothing can come of its rows."""
    with pytest.raises(Unreadable, match=told):
        read(CommaSeparated(), data)


def test_nothing_is_read_of_an_empty_file() -> None:
    """Nor of one that has a mark or column names only."""
    assert read(JsonLines(), b"") == read(JsonLines(), b"\xef\xbb\xbf") == read(CommaSeparated(), b"a,b\n") == []
