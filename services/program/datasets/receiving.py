"""Receives a file: judged as it comes, its sound rows spooled to disk; the database is not asked before it is whole."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.example_requests_pb2 import (
    EXAMPLE_FORMAT_CSV,
    EXAMPLE_FORMAT_PARQUET,
    ON_ERROR_KEEP_REST,
    UploadExamplesRequest,
)

from domain.rows.reading import CommaSeparated, JsonLines, Read, Reader
from domain.rows.records import Unreadable
from framework.errors import DeadlinePassed, FieldViolation, InvalidFields
from services.program.datasets.judging import Fault, Judge
from services.program.datasets.lines import Line, read
from services.program.datasets.parquet import Parquet

MOST_BYTES = 4 * 2**30
MOST_FAULTS = 100
IDLE_SECONDS = 60.0
_IN_MEMORY = 2**20
_READERS: dict[int, Callable[[], Reader]] = {EXAMPLE_FORMAT_CSV: CommaSeparated, EXAMPLE_FORMAT_PARQUET: Parquet}


def reader_of(kind: int) -> Reader:
    """Returns what reads files of a format."""
    return _READERS.get(kind, JsonLines)()


class Intake:
    """One file on its way: its rows, its faults so far, and the spool of what can be added."""

    def __init__(self, dataset: dataset_pb2.Dataset, asked: UploadExamplesRequest) -> None:
        self._reader = reader_of(asked.format)
        split = dataset_pb2.Split.Name(asked.split) if asked.split else ""
        kind = {"typed": self._reader.typed, "nests": self._reader.nests}
        self._judge = Judge(dataset, split=split, ignore_unknown=asked.ignore_unknown, **kind)
        self._keeps_rest = asked.on_error == ON_ERROR_KEEP_REST
        # Rolls over to disk by itself.
        self._spool: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._bytes = self._spooled = 0
        self.faults: list[Fault] = []
        self.refused = 0
        self.counts: Counter[str] = Counter()
        """How many sound rows there are of each split."""

    def take(self, chunk: bytes) -> None:
        """Judges the rows that a chunk completes; raises InvalidFields for a file that nothing can come of."""
        self._bytes += len(chunk)
        if self._bytes > MOST_BYTES:
            raise InvalidFields(FieldViolation("body", f"a file may have {MOST_BYTES} bytes; send it in parts"))
        self._judged(lambda: self._reader.feed(chunk))

    def end(self) -> None:
        """Judges what is left; raises InvalidFields when nothing may be added."""
        self._judged(self._reader.end)
        if self.faults and not self._keeps_rest:
            raise self._refusal()
        if not self.counts and not self.refused:
            raise InvalidFields(FieldViolation("body", "the file holds no rows"))

    def lines(self) -> Iterator[Line]:
        """Yields the sound rows in their order."""
        self._spool.seek(0)
        return map(read, self._spool)

    def close(self) -> None:
        """Forgets the file."""
        self._spool.close()

    def _judged(self, rows: Callable[[], Iterator[Read]]) -> None:
        try:
            for number, row in rows():
                self._one(number, row)
        except Unreadable as fault:
            raise InvalidFields(FieldViolation("body", f"must be {fault}")) from fault

    def _one(self, number: int, row: Any) -> None:
        unread = isinstance(row, Unreadable)
        found = [Fault(number, "", f"must be {row}")] if unread else self._judge.judged(number, row)
        if isinstance(found, Line):
            self.counts[found.split] += 1
            if self._keeps_rest or not self.faults:
                self._keep(found)
            return
        self.refused += 1
        self.faults += found[: MOST_FAULTS - len(self.faults)]
        if len(self.faults) >= MOST_FAULTS and not self._keeps_rest:
            raise self._refusal()

    def _keep(self, line: Line) -> None:
        # A few bytes of Parquet may say a row a billion times.
        self._spooled += self._spool.write(line.written())
        if self._spooled > MOST_BYTES:
            raise InvalidFields(FieldViolation("body", f"its rows may take {MOST_BYTES} bytes; send it in parts"))

    def _refusal(self) -> InvalidFields:
        return InvalidFields(*(FieldViolation(_place(fault), fault.expectation) for fault in self.faults))


def _place(fault: Fault) -> str:
    return f"rows[{fault.row}].{fault.column}" if fault.column else f"rows[{fault.row}]"


async def receive(intake: Intake, first: UploadExamplesRequest, more: AsyncIterator[Any]) -> None:
    """Takes a whole file; raises InvalidFields for what it says, DeadlinePassed when nothing comes for a minute."""
    request: UploadExamplesRequest | None = first
    while request is not None:
        if request.body.data:
            # Judging a chunk takes milliseconds that belong to the other calls.
            await asyncio.to_thread(intake.take, request.body.data)
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await anext(more, None)
        except TimeoutError:
            raise DeadlinePassed(f"nothing of the file came for {IDLE_SECONDS:.0f} seconds; send it again") from None
    await asyncio.to_thread(intake.end)
