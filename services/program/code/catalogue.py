"""Everything that is registered, as it describes itself: imported in a child, one fault costing one entry."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from importlib.metadata import EntryPoint
from typing import Any

from ashgrove.custom import METRICS, PROGRAMS, RETRIEVERS, TOOLS

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
_Wanted = tuple[str, EntryPoint]
GROUPS = {"programs": PROGRAMS, "metrics": METRICS, "tools": TOOLS, "retrievers": RETRIEVERS}
"""The groups of entry points, by what a catalogue calls them."""


async def catalogue(known: Mapping[str, Registered], start: Callable[[], Awaitable[CodeProcess]]) -> Catalogue:
    """Returns what everything registered says about itself, or what is wrong with it."""
    wanted: list[_Wanted] = [(kind, entry) for kind, each in known.items() for entry in each.entries.values()]
    found: dict[str, dict[str, Any]] = {
        kind: {name: _KINDS[kind](name, CodeFault("IMPORT", fault)) for name, fault in each.faults.items()}
        for kind, each in known.items()
    }
    async with aclosing(_described(wanted, start)) as answers:
        async for (kind, entry), said in answers:
            found[kind][entry.name] = _KINDS[kind](entry.name, said)
    return Catalogue(**{kind: dict(sorted(each.items())) for kind, each in found.items()})


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


_KINDS: Mapping[str, Callable[[str, Any], Any]] = {
    "programs": _program,
    "metrics": _metric,
    "tools": _program,
    "retrievers": _program,
}
