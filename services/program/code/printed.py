"""What custom code prints: the first part goes to the service's log, the rest nowhere; printing never blocks."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGED_BYTES = 16_384
_log = logging.getLogger(__name__)


class Printed:
    """The pipe behind a child's stdout and stderr."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        self.name = ""
        self._left = _LOGGED_BYTES

    @contextmanager
    def end(self) -> Iterator[int]:
        """Yields the end for the child to write to, and closes it on our side."""
        try:
            yield self._in
        finally:
            os.close(self._in)

    def listen(self) -> None:
        """Starts to empty the pipe."""
        asyncio.get_running_loop().add_reader(self._out, self._empty)

    def renew(self, name: str) -> None:
        """Begins a new session: its output is logged under this name, up to a new bound."""
        self.name, self._left = name, _LOGGED_BYTES

    def close(self) -> None:
        """Empties the pipe a last time, and closes it."""
        self._empty()
        asyncio.get_running_loop().remove_reader(self._out)
        os.close(self._out)

    def _empty(self) -> None:
        try:
            text = os.read(self._out, 65_536)
        except BlockingIOError:
            return
        if not text:  # every writer is gone
            asyncio.get_running_loop().remove_reader(self._out)
        if shown := text[: self._left].decode("utf-8", "replace").strip():
            _log.info("%s printed: %s", self.name, shown)
        self._left -= min(self._left, len(text))
