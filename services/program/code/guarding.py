"""Keeps a child within its limits while a session uses it: memory and CPU time, its descendants' included."""

import asyncio
import math
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from framework.tasks import stopped
from services.program.code.contract import CodeFault, Limits
from services.program.code.process import CodeProcess
from services.program.code.usage import family, own_cpu_seconds, shared_fairly, usage

_LOOK_SECONDS = 0.05
_FAMILY_EVERY = 20
"""At every so manieth look, its descendants are looked for too."""
_SPARE_BYTES = 512 * 2**20


Look = Callable[[], CodeFault | None]
"""Says which limit is passed now, if one is."""


@asynccontextmanager
async def guarded(process: CodeProcess, limits: Limits) -> AsyncIterator[Look]:
    """Holds the limits from now on; whoever passes one is killed, with a fault that says so.

    Yields a look of its own for when a call ends, which may be before the next one.
    """
    _restrict(process.pid, limits)
    guard = _Guard(process, limits)
    watch = asyncio.create_task(guard.watch())
    try:
        yield guard.passed
    finally:
        await stopped([watch])


def _restrict(pid: int, limits: Limits) -> None:
    """Sets what the kernel enforces: behind the watch, and before it where code is faster than that can look.

    Address space is no measure: NumPy and OpenBLAS reserve far more of it than they use. RLIMIT_DATA counts what is
    private and writable, but as soon as it is reserved: hence twice the limit and something to spare.
    """
    with suppress(ProcessLookupError):
        _soft(pid, resource.RLIMIT_CPU, math.ceil(own_cpu_seconds(pid) + limits.cpu_seconds) + 1)
        _soft(pid, resource.RLIMIT_DATA, 2 * limits.memory_mb * 2**20 + _SPARE_BYTES)
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _soft(pid: int, what: int, value: int) -> None:
    hard = resource.prlimit(pid, what)[1]
    resource.prlimit(pid, what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


class _Guard:
    """Looks after one process, from where it stands now."""

    def __init__(self, process: CodeProcess, limits: Limits) -> None:
        self._process = process
        self._limits = limits
        before = usage(process.pid)
        self._spent = before.cpu_seconds if before else 0.0

    async def watch(self) -> None:
        """Looks until the process has passed a limit, or is gone."""
        looks = 0
        while usage(self._process.pid) and not self._process.fault:
            if fault := self._passed_by(family(self._process.pid) if looks % _FAMILY_EVERY == 0 else set()):
                self._process.kill(fault)
            looks += 1
            await asyncio.sleep(_LOOK_SECONDS)

    def passed(self) -> CodeFault | None:
        """Returns which limit the process itself has passed, with those descendants that it has waited for."""
        return self._passed_by(set())

    def _passed_by(self, others: set[int]) -> CodeFault | None:
        used = usage(self._process.pid)
        if used is None:
            return None
        seconds = used.cpu_seconds + sum(each.cpu_seconds for pid in others if (each := usage(pid)))
        memory = max(used.resident_bytes, shared_fairly({self._process.pid, *others}) if others else 0)
        if memory > self._limits.memory_mb * 2**20:
            return CodeFault("MEMORY_LIMIT", f"the code used more than {self._limits.memory_mb} MB of memory")
        if seconds - self._spent > self._limits.cpu_seconds:
            return CodeFault("CPU_LIMIT", f"the code used more than {self._limits.cpu_seconds} s of CPU time")
        return None
