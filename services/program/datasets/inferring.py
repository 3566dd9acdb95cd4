"""Finds out which fields a file's rows have: the types that hold every value that was seen."""

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from ashgrove.program.v1.example_requests_pb2 import (
    EXAMPLE_FORMAT_PARQUET,
    InferDatasetFieldsRequest,
    InferDatasetFieldsResponse,
    RowFault,
)
from ashgrove.program.v1.signature_pb2 import SignatureField

from domain.rows.reading import Read, Row
from domain.rows.records import Unreadable
from domain.signatures import inference
from domain.values import IDENTIFIER, Invalid, normalise
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from services.program.datasets.receiving import MOST_FAULTS, reader_of
from services.program.resources.dataset import Dataset
from services.program.schemas.declared import message_of

MOST_ROWS = 10_000
_Side = list[dict[str, Any]]
# What begins with a zero is a code rather than a number.
_READINGS: Sequence[tuple[re.Pattern[str], Callable[[str], Any]]] = (
    (re.compile(r"[+-]?(0|[1-9]\d{0,14})"), int),
    (re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d{1,3})?"), float),
    (re.compile(r"(?i)true|false"), lambda text: text.lower() == "true"),
)


@action(Dataset, "InferDatasetFields")
async def infer(call: Call, request: InferDatasetFieldsRequest) -> InferDatasetFieldsResponse:
    """Says which fields a file's rows have."""
    return await asyncio.to_thread(_inferred, request)


def _inferred(asked: InferDatasetFieldsRequest) -> InferDatasetFieldsResponse:
    """Returns the fields of a file's rows; raises InvalidFields when nothing of it can be read."""
    reader = reader_of(asked.format)
    faults: list[RowFault] = []
    every = chain(reader.feed(asked.content), reader.end() if _is_whole(asked) else ())
    try:
        # No further than is looked at: a few bytes of Parquet may say a row a billion times.
        rows = _sound(islice(every, MOST_ROWS), faults)
    except Unreadable as fault:
        raise InvalidFields(FieldViolation("content", f"must be {fault}")) from fault
    inputs, outputs = _sides(rows, asked.outputs)
    if not inputs:
        raise InvalidFields(FieldViolation("content", _told(faults[0]) if faults else "holds no rows"))
    if not reader.typed:
        _read_columns(inputs)
        _read_columns(outputs)
    faults += [
        RowFault(column=name, expectation="is missing; it must be a column of the file")
        for name in set(asked.outputs) - {name for side in outputs for name in side}
    ]
    answer = InferDatasetFieldsResponse(row_count=len(inputs))
    answer.input_fields.extend(_fields(inputs, faults))
    answer.output_fields.extend(_fields(outputs, faults))
    answer.faults.extend(faults[:MOST_FAULTS])
    return answer


def _told(fault: RowFault) -> str:
    return f"its column {fault.column} in row {fault.row} {fault.expectation}" if fault.column else fault.expectation


def _is_whole(asked: InferDatasetFieldsRequest) -> bool:
    # What does not end a line may be the half of one, unless there is no other.
    return asked.format == EXAMPLE_FORMAT_PARQUET or asked.content.endswith(b"\n") or asked.content.count(b"\n") < 2


def _sound(rows: Iterable[Read], faults: list[RowFault]) -> list[Row]:
    """Returns the rows that hold what JSON can; adds to the faults what is wrong with the others."""
    found = []
    for number, row in rows:
        if isinstance(row, Unreadable):
            faults.append(RowFault(row=number, expectation=f"must be {row}"))
            continue
        try:
            found.append(normalise(row, "row"))
        except Invalid as invalid:
            faults += [
                RowFault(row=number, column=each.path.partition(".")[2][:200], expectation=each.message)
                for each in invalid.violations
            ]
    return found


def _sides(rows: Sequence[Row], names: Collection[str]) -> tuple[_Side, _Side]:
    """Returns the inputs and the outputs of the rows."""
    sides: tuple[_Side, _Side] = ([], [])
    for row in rows:
        for side, found in zip(sides, _divided(row, names), strict=True):
            side.append(found)
    return sides


def _divided(row: Mapping[str, Any], names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    if isinstance(row.get("inputs"), dict) and isinstance(row.get("outputs"), dict):
        return row["inputs"], row["outputs"]
    cells = {name: value for name, value in row.items() if name != "split"}
    outputs = {name: value for name, value in cells.items() if name in names}
    return {name: value for name, value in cells.items() if name not in names}, outputs


def _read_columns(rows: _Side) -> None:
    """Reads each column of text as what all its cells say; empty cells are none, unless all that is left is text."""
    for name in rows[0]:
        cells = [row[name] for row in rows if row[name]]
        read = next((read for form, read in _READINGS if cells and all(map(form.fullmatch, cells))), None)
        for row in rows if read else ():
            if row[name]:
                row[name] = read(row[name]) if read else row[name]
            else:
                del row[name]


def _fields(rows: _Side, faults: list[RowFault]) -> list[SignatureField]:
    """Returns the fields of one side; adds to the faults what no dataset could have."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = []
    for name in names:
        if not IDENTIFIER.fullmatch(name):
            told = "must be called in lower-case letters, digits and underscores; rename the column"
            faults.append(RowFault(column=name[:80], expectation=told))
            continue
        try:
            (field,) = inference.inferred([{name: row[name]} if name in row else {} for row in rows], most_choices=0)
            found.append(message_of(field))
        except Invalid as invalid:
            faults += [RowFault(column=name, expectation=violation.message) for violation in invalid.violations]
    return found
