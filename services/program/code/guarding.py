"""Keeps a child within its limits while a session uses it: memory and CPU time, its descendants' included."""

import asyncio
import math
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from framework.tasks import stopped
from services.program.code.contract import CodeFault, Limits
from services.program.code.process import CodeProcess
from services.program.code.usage import family, own_cpu_seconds, shared_fairly, usage

_LOOK_SECONDS = 0.05
_FAMILY_EVERY = 20
"""At every so manieth look, its descendants are looked for too."""
_SPARE_BYTES = 512 * 2**20


@asynccontextmanager
async def guarded(process: CodeProcess, limits: Limits) -> AsyncIterator[None]:
    """Holds the limits from now on; whoever passes one is killed, with a fault that says so."""
    _restrict(process.pid, limits)
    watch = asyncio.create_task(_watch(process, limits))
    try:
        yield
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


async def _watch(process: CodeProcess, limits: Limits) -> None:
    before = usage(process.pid)
    spent = before.cpu_seconds if before else 0.0
    looks = 0
    while (used := usage(process.pid)) and not process.fault:
        memory, seconds = used.resident_bytes, used.cpu_seconds
        if looks % _FAMILY_EVERY == 0:
            others = family(process.pid)
            seconds += sum(each.cpu_seconds for pid in others if (each := usage(pid)))
            memory = max(memory, shared_fairly({process.pid, *others}) if others else 0)
        if memory > limits.memory_mb * 2**20:
            process.kill(CodeFault("MEMORY_LIMIT", f"the code used more than {limits.memory_mb} MB of memory"))
        elif seconds - spent > limits.cpu_seconds:
            process.kill(CodeFault("CPU_LIMIT", f"the code used more than {limits.cpu_seconds} s of CPU time"))
        looks += 1
        await asyncio.sleep(_LOOK_SECONDS)
