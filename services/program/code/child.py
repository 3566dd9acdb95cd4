"""A child process: `python -m services.program.code.child <channel> <parent>`. It loads custom code and calls it.

Sync functions run in the main thread, one after the other; async ones in a loop of another thread, where they overlap.
Only this module speaks on the channel; what custom code prints goes elsewhere.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from ashgrove.custom import Metric, Program

from services.program.code import calling, channel
from services.program.code.calling import Call
from services.program.code.contract import CodeFault
from services.program.code.loading import (
    Target,
    described_metric,
    described_program,
    is_async,
    load_metric,
    load_program,
    promises_of,
)
from services.program.code.overlapping import Overlapping, leave
from services.program.code.wording import a

_DIE_WITH_PARENT, _ADOPT_ORPHANS = 1, 36  # PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER


class Child:
    """What this process has loaded, and how it answers."""

    def __init__(self, to: socket.socket) -> None:
        self._to = to
        self._sending = threading.Lock()
        self._overlapping = Overlapping()
        self._program: Program | Callable[..., Any] | None = None
        self._run: Callable[..., Any] | None = None
        self._metrics: dict[str, Metric] = {}

    def serve(self) -> None:
        """Answers until the parent is gone."""
        while (message := channel.read(self._to)) is not None:
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        number = message["id"]
        try:
            made = getattr(self, f"_{message['do']}")(**message["with"])
            if not isinstance(made, Call):
                self._reply(number, value=made)
            elif is_async(made.function):
                self._overlapping.start(self._later(number, made))
            else:
                self._reply(number, value=made.now())
        except CodeFault as fault:
            self._fault(number, fault)

    async def _later(self, number: int, call: Call) -> None:
        try:
            self._reply(number, value=await call.later())
        except CodeFault as fault:
            self._fault(number, fault)

    def _fault(self, number: int, fault: CodeFault) -> None:
        self._reply(number, fault=[fault.error_class, fault.message])

    def _reply(self, number: int, **said: Any) -> None:
        body = channel.packed({"id": number, **said})
        if len(body) > channel.LARGEST_REPLY:
            megabytes = channel.LARGEST_REPLY // 2**20
            return self._fault(number, CodeFault("BAD_OUTPUT", f"the outputs take more than {megabytes} MB"))
        with self._sending:
            self._to.sendall(body)
        return None

    # What the parent may ask for.

    def _open(self, program: list[str] | None, metrics: list[list[str]]) -> dict[str, Any]:
        self._program = load_program(Target(*program)) if program else None
        self._metrics = {each[0]: load_metric(Target(*each)) for each in metrics}
        return {
            "overlap": self._ready(self._program),
            "learns": self._learns(),
            "metrics": [name for name, metric in self._metrics.items() if is_async(metric.score)],
            "promises": [promise for name, metric in self._metrics.items() for promise in promises_of(name, metric)],
        }

    def _learns(self) -> bool:
        return isinstance(self._program, Program)

    def _ready(self, run: Any) -> bool:
        """Keeps the function to run, and says whether its runs may overlap."""
        self._run = run if callable(run) else None
        return self._run is not None and is_async(self._run)

    def _prepare(self, examples: list[dict[str, Any]], parameters: dict[str, Any]) -> Call:
        assert isinstance(self._program, Program)

        def checked(answer: Any, _: float) -> dict[str, Any]:
            if not callable(answer):
                raise CodeFault("BAD_OUTPUT", f"prepare must return a function, not {a(answer)}")
            return {"overlap": self._ready(answer)}

        return Call(self._program.prepare, (examples, parameters), 0, checked, "EXCEPTION", "prepare")

    def _call(self, inputs: dict[str, Any], parameters: dict[str, Any], seed: int) -> Call:
        assert self._run is not None
        return Call(self._run, (inputs, parameters), seed, calling.ran, "EXCEPTION", "the program")

    def _score(self, metric: str, arguments: list[Any]) -> Call:
        found = self._metrics[metric]

        def checked(answer: Any, _: float) -> dict[str, Any]:
            return calling.scored(metric, found, answer)

        return Call(found.score, tuple(arguments), 0, checked, "METRIC", f"the metric {metric}")

    def _describe(self, kind: str, target: list[str]) -> dict[str, Any]:
        return (described_metric if kind == "metrics" else described_program)(Target(*target))

    def _rest(self) -> dict[str, Any]:
        """Forgets what was prepared, and says whether nothing of the session goes on."""
        if self._learns():
            self._run = None
        ended = self._overlapping.end()
        gc.collect()
        return {"clean": ended and threading.active_count() == 1 and not _has_children()}


def _has_children() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _bind_to(parent: int) -> None:
    """Dies with the parent, and stays the ancestor of every process that custom code starts."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0) or prctl(_ADOPT_ORPHANS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)  # it died before we asked


def _main() -> None:
    to = socket.socket(fileno=int(sys.argv[1]))
    to.set_inheritable(False)
    os.register_at_fork(after_in_child=to.close)  # a fork of custom code has no say on the channel
    _bind_to(int(sys.argv[2]))
    sys.argv[1:] = []
    try:
        Child(to).serve()
    except SystemExit as end:  # custom code ended the process: so be it
        leave(end)
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(70)
    os._exit(0)


if __name__ == "__main__":
    _main()
