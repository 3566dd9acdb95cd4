"""A request that is written as soon as it is made.

Before Python 3.12, which can begin a task at once, aiohttp leaves the writing to a task of its own. That waits for all
that is ready to run: of fifty calls made together the first would leave when the last is prepared.
"""

import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any

import aiohttp


class SentAtOnce(aiohttp.ClientRequest):
    """A request that is written before anything else runs, as far as its connection takes it."""

    def write_bytes(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, None]:
        """Begins to write, and returns what writes the rest."""
        return begun(super().write_bytes(*args, **kwargs))


def begun(work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
    """Does work until it waits for something, and returns what is left of it."""
    try:
        waits_for = work.send(None)
    except StopIteration:
        return _nothing()
    return _rest(work, waits_for)


async def _nothing() -> None:
    """Is what is left of something done."""


async def _rest(work: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _going_on(work, waits_for)


@types.coroutine
def _going_on(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Tells whoever drives this what the work waits for, and the work what it is answered."""
    with suppress(StopIteration):
        while True:
            try:
                told = yield waits_for
            except BaseException as raised:
                waits_for = work.throw(raised)
            else:
                waits_for = work.send(told)
