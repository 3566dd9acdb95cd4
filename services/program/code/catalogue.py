"""Everything that is registered, as it describes itself: imported in a child, one fault costing one entry."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from importlib.metadata import EntryPoint
from typing import Any, Literal

from services.program.code.contract import (
    Catalogue,
    CodeFault,
    Limits,
    Promise,
    RegisteredMetric,
    RegisteredProgram,
    WorkersClosed,
)
from services.program.code.guarding import guarded
from services.program.code.process import CodeProcess
from services.program.code.registry import Registered

# Whoever lists waits for the slowest import: one that hangs may hold it up so long.
_LIMITS = Limits(prepare_ms=20_000)
_Wanted = tuple[Literal["program", "metric"], EntryPoint]


async def catalogue(
    programs: Registered, metrics: Registered, start: Callable[[], Awaitable[CodeProcess]]
) -> Catalogue:
    """Returns what programs and metrics say about themselves, or what is wrong with them."""
    wanted: list[_Wanted] = [("program", entry) for entry in programs.entries.values()]
    wanted += [("metric", entry) for entry in metrics.entries.values()]
    known_programs = {name: RegisteredProgram(name, error=fault) for name, fault in programs.faults.items()}
    known_metrics = {name: RegisteredMetric(name, error=fault) for name, fault in metrics.faults.items()}
    async with aclosing(_described(wanted, start)) as answers:
        async for (kind, entry), said in answers:
            if kind == "program":
                known_programs[entry.name] = _program(entry.name, said)
            else:
                known_metrics[entry.name] = _metric(entry.name, said)
    return Catalogue(dict(sorted(known_programs.items())), dict(sorted(known_metrics.items())))


async def _described(
    wanted: Sequence[_Wanted], start: Callable[[], Awaitable[CodeProcess]]
) -> AsyncGenerator[tuple[_Wanted, dict[str, Any] | CodeFault], None]:
    """Yields every entry's answer; one that kills the child has the next one described by another."""
    left = list(wanted)
    while left:
        process = await start()
        try:
            async with guarded(process, _LIMITS):
                while left and not process.fault:
                    yield left[0], await _answer(process, left.pop(0))
        finally:
            process.kill(WorkersClosed("everything is described"))


async def _answer(process: CodeProcess, wanted: _Wanted) -> dict[str, Any] | CodeFault:
    kind, entry = wanted
    late = f"{entry.name} was not imported within {_LIMITS.prepare_ms} ms"
    process.printed.renew(entry.name)
    try:
        target = [entry.name, entry.module, entry.attr]
        said: dict[str, Any] = await process.ask("describe", _LIMITS.prepare_ms / 1000, late, kind=kind, target=target)
    except CodeFault as fault:
        return fault
    return said


def _program(name: str, said: dict[str, Any] | CodeFault) -> RegisteredProgram:
    if isinstance(said, CodeFault):
        return RegisteredProgram(name, error=said.message)
    return RegisteredProgram(name, said["description"])


def _metric(name: str, said: dict[str, Any] | CodeFault) -> RegisteredMetric:
    if isinstance(said, CodeFault):
        return RegisteredMetric(name, error=said.message)
    promises = [Promise(**each) for each in said["scores"]]
    return RegisteredMetric(name, said["description"], {each.name: each for each in promises})
