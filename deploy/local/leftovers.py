"""One stack per home, and nothing left of a stack whose supervisor was killed."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.faults import StackFault
from deploy.local.state import Running, State

STOP_SECONDS = 15.0
_NEEDED_BY_ALL = {"postgres", "valkey"}


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Holds a home for the length of a block; a second one is refused, and a dead holder holds nothing."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            remedy = "wait for it, or set ASHGROVE_HOME to another folder"
            raise StackFault(f"another stack is starting or stopping in {home}: {remedy}") from None
        yield


def end_leftovers(home: Path) -> list[str]:
    """Ends what a killed supervisor left running in this home, servers last, and returns the names."""
    left = [p for p in State(home).read() if p.name != "supervisor" and p.pid != os.getpid() and p.alive]
    _end([p for p in left if p.name not in _NEEDED_BY_ALL])
    _end([p for p in left if p.name in _NEEDED_BY_ALL])
    return [p.name for p in left]


def _end(processes: list[Running]) -> None:
    for process in processes:
        # SIGINT is PostgreSQL's fast stop; on SIGTERM it would wait for its clients.
        _tell(process, signal.SIGINT if process.name == "postgres" else signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while any(p.alive for p in processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in processes:
        if process.alive:
            _tell(process, signal.SIGKILL)


def _tell(process: Running, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
