"""A server in a process of its own, for the length of a block."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def beside(serve: Callable[..., None], *given: Any) -> Iterator[Any]:
    """Runs `serve(*given, pipe)` in another process, and yields the first thing that it sends through the pipe.

    `serve` is found by its module's name, since the process imports it anew. Raises RuntimeError if the process ends
    before it has sent anything.
    """
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(*given, there), daemon=True)
    process.start()
    # A pipe ends when nobody holds its other end: with ours open it would be waited on for ever.
    there.close()
    try:
        yield _first(here, process)
    finally:
        process.terminate()
        process.join()
        here.close()


def _first(pipe: Any, process: Any) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{process.name} ended with {process.exitcode} before it served; see what it said") from None
