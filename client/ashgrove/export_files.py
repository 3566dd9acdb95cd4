"""Exports into a file, one JSON object a line; what was cut is gone on with when it is asked for again."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ashgrove.exports import Exported
from ashgrove.values import to_plain

_EVERY_ROWS = 500


@dataclass(frozen=True)
class Reached:
    """How far an export has come: rows and bytes that are safely in its file, and the token to go on with."""

    asked: dict[str, Any]
    rows: int = 0
    size: int = 0
    token: str = ""


class ExportFile:
    """A file that is being exported into: its rows are in `NAME.part`, how far it is in `NAME.part.json`."""

    def __init__(self, path: Path, asked: dict[str, Any]) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")
        self.reached = self._found(asked)

    def _found(self, asked: dict[str, Any]) -> Reached:
        """Returns how far the very same export came before; the beginning when there was none."""
        with suppress(OSError, ValueError, TypeError):
            found = Reached(**json.loads(self._note.read_text()))
            if found.asked == asked and self._part.stat().st_size >= found.size:
                return found
        return Reached(asked)

    def take(self, rows: Iterable[Exported]) -> Iterable[int]:
        """Writes rows and yields how many there are so far; the file has its name once it is whole."""
        with self._part.open("r+b" if self.reached.size else "wb") as file:
            file.seek(self.reached.size)
            file.truncate()
            count, token = self.reached.rows, self.reached.token
            try:
                for row in rows:
                    file.write(json.dumps(to_plain(row.resource), ensure_ascii=False).encode() + b"\n")
                    count, token = count + 1, row.resume_token
                    if count % _EVERY_ROWS == 0:
                        self._keep(file, count, token)
                    yield count
            finally:
                self._keep(file, count, token)
        self._part.replace(self.path)
        self._note.unlink()

    def _keep(self, file: BinaryIO, rows: int, token: str) -> None:
        """Notes how far it is, the rows first: what is noted is there."""
        file.flush()
        os.fsync(file.fileno())
        self.reached = Reached(self.reached.asked, rows, file.tell(), token)
        fresh = self._note.with_name(self._note.name + ".new")
        fresh.write_text(json.dumps(asdict(self.reached)))
        fresh.replace(self._note)
