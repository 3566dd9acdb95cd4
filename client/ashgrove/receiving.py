"""Trials of an external run as they are sent: a thread reads, so that leases live while trials are evaluated."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ashgrove.errors import AshgroveError, Unavailable
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import trial_pb2

PATIENCE_SECONDS = 60.0
_AGAIN_SECONDS = 0.5
_Open = Callable[[Callable[[Any], object]], Iterator[Any]]
"""Opens the stream, and gives away the call for another thread to cancel."""


class Received:
    """The trials that one client was sent; a stream that breaks is opened again under the same name."""

    def __init__(self, opened: _Open) -> None:
        self._open = opened
        self._arrived: queue.Queue[trial_pb2.Trial | AshgroveError | None] = queue.Queue()
        self._known: set[str] = set()
        self._left = threading.Event()
        self._call: Any = None
        self.standing = pb.RunStanding()
        """Where the run stood when it was last heard of."""
        self._reader = threading.Thread(target=self._read, name="ashgrove-trials", daemon=True)

    def each(self) -> Iterator[trial_pb2.Trial]:
        """Yields trials as they come until the run has ended; raises an AshgroveError once none can come any more."""
        self._reader.start()
        try:
            while (came := self._arrived.get()) is not None:
                if isinstance(came, AshgroveError):
                    raise came
                yield came
        finally:
            self._left.set()
            if self._call is not None:
                self._call.cancel()
            self._reader.join()

    def forget(self, trial_id: str) -> None:
        """Notes that a trial was told, or lost to another client: should it come again, it is to be done again."""
        self._known.discard(trial_id)

    def _read(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._left.is_set():
            try:
                for frame in self._open(self._opened):
                    deadline = time.monotonic() + PATIENCE_SECONDS
                    if self._heard(frame):
                        return
                broken: AshgroveError = Unavailable("the stream ended before the run did; ask again later")
            except Unavailable as error:
                broken = error
            except AshgroveError as error:
                self._arrived.put(error)
                return
            if time.monotonic() > deadline:
                self._arrived.put(broken)
                return
            self._left.wait(_AGAIN_SECONDS)

    def _opened(self, call: Any) -> None:
        self._call = call
        if self._left.is_set():
            call.cancel()

    def _heard(self, frame: Any) -> bool:
        """Takes a frame in; returns whether it was the last."""
        kind = frame.WhichOneof("frame")
        if kind == "item":
            self.standing = frame.item.standing
            for trial in frame.item.trials:
                if trial.id not in self._known:  # those that it had before a break are sent again
                    self._known.add(trial.id)
                    self._arrived.put(trial)
        if kind == "end":
            self._arrived.put(None)
        return bool(kind == "end")
