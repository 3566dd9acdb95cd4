"""The loop in which a child's async functions overlap: made when first needed, ended with the session."""

import os
import threading
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_PATIENCE_SECONDS = 1.0


class Overlapping:
    """A loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts a piece of work beside those that run."""
        import asyncio  # a child that only knows sync functions does without

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_turn, args=(self._loop,), name="overlapping", daemon=True)
            self._thread.start()
        asyncio.run_coroutine_threadsafe(_or_end(work), self._loop)

    def end(self) -> bool:
        """Cancels what still runs and ends the loop; false when something does not let itself be ended."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return True
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_SECONDS)
        self._loop = self._thread = None
        return not thread.is_alive()


def leave(end: SystemExit) -> None:
    """Ends the process as custom code wanted it ended, from any thread, without its farewells."""
    traceback.print_exception(end)
    os._exit(end.code & 0xFF if isinstance(end.code, int) else 0 if end.code is None else 1)


def _turn(loop: "asyncio.AbstractEventLoop") -> None:
    import asyncio  # as above

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    except SystemExit as end:  # from a task that custom code started
        leave(end)


async def _or_end(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except SystemExit as end:
        leave(end)
    except Exception:
        traceback.print_exc()
        os._exit(70)  # a fault of ours: the parent must not wait for an answer
