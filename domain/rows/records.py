"""Cuts bytes, as they come, into the records of a text file; memory holds a chunk and a record, whatever the file."""

from collections.abc import Iterator

LONGEST_RECORD = 2**20
"""How many bytes a record may have."""

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")


class Unreadable(Exception):  # noqa: N818 - the word a caller reads
    """The file, or a record of it, cannot be read; the message says what was expected."""


class Records:
    """The records of one file, each ended by a line feed; in `quoted` files none ends within double quotes."""

    def __init__(self, *, quoted: bool = False, longest: int = LONGEST_RECORD) -> None:
        self._quoted = quoted
        self._longest = longest
        self._begun = False
        self._rest = b""
        self._open: list[bytes] = []
        self._odd = False
        """Whether a quote is open."""
        self._size = 0
        """How many bytes of the record are there already, kept or not."""

    def feed(self, chunk: bytes) -> Iterator[bytes | Unreadable]:
        """Yields the records that a chunk completes; in place of one that is too long, its fault."""
        if not self._begun:
            chunk = self._rest + chunk
            self._rest = b""
            if len(chunk) < len(_BOM):
                self._rest = chunk
                return
            self._begun = True
            chunk = _without_mark(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if self._quoted or self._size or len(line) > self._longest:
                yield from self._ended(line)
            else:
                yield line
        self._bound()

    def end(self) -> Iterator[bytes | Unreadable]:
        """Yields the last record, if no line feed ended it."""
        rest, self._rest = _without_mark(self._rest) if not self._begun else self._rest, b""
        if rest or self._size:
            yield from self._ended(rest)
        if self._odd:
            yield Unreadable("ended: a double quote is opened and never closed")

    def _ended(self, line: bytes) -> Iterator[bytes | Unreadable]:
        self._size += len(line)
        if self._quoted and line.count(b'"') % 2:
            self._odd = not self._odd
        if self._odd:
            self._open.append(line)
            self._size += 1
            self._forget_long()
            return
        size, record = self._size, b"\n".join([*self._open, line]) if self._open else line
        self._open, self._size = [], 0
        yield Unreadable(f"at most {self._longest} bytes") if size > self._longest else record

    def _bound(self) -> None:
        """Forgets what has begun and is too long already: only how long it is matters then."""
        if self._size + len(self._rest) > self._longest:
            if self._quoted and self._rest.count(b'"') % 2:
                self._odd = not self._odd
            self._size += len(self._rest)
            self._rest = b""
        self._forget_long()

    def _forget_long(self) -> None:
        if self._size > self._longest:
            self._open = []


def _without_mark(data: bytes) -> bytes:
    if data.startswith(_OTHER_BOMS):
        raise Unreadable("UTF-8; this file is UTF-16: save it as UTF-8")
    return data.removeprefix(_BOM)
