"""The code workers of one process of the service: a few child processes, kept warm, shared in turn."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from ashgrove.custom import METRICS, PROGRAMS

from services.program.code import homes
from services.program.code.catalogue import GROUPS, catalogue
from services.program.code.contract import Catalogue, CodeFault, Limits, WorkersClosed
from services.program.code.guarding import guarded
from services.program.code.process import CodeProcess
from services.program.code.registry import registered, required, source_of
from services.program.code.session import Session
from services.program.code.usage import usage

_REST_SECONDS = 2.0


@dataclass(frozen=True)
class _Code:
    """What a child loads."""

    program: EntryPoint | None
    metrics: tuple[EntryPoint, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal code: names, targets, versions."""
        entries = [self.program, *sorted(self.metrics, key=lambda entry: entry.name)]
        return tuple((entry.name, *source_of(entry)) if entry else None for entry in entries)

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return ", ".join(entry.name for entry in (self.program, *self.metrics) if entry)


@dataclass
class _Warm:
    """A child process, and what it loaded."""

    process: CodeProcess
    code: _Code
    loaded: Mapping[str, Any] | None = None
    resident_bytes: int = 0
    uses: int = 0
    expiry: asyncio.TimerHandle | None = None


class Workers:
    """A bounded number of child processes; whoever comes first is served first.

    A child serves sessions of the same code only, `uses` of them at most, none once it has grown by `growth_mb`, and
    goes when nobody has needed it for `idle_seconds`.
    """

    def __init__(self, size: int = 4, *, uses: int = 100, growth_mb: int = 256, idle_seconds: float = 300.0) -> None:
        self.size, self.uses, self.growth_mb, self.idle_seconds = size, uses, growth_mb, idle_seconds
        self._free = asyncio.Semaphore(size)
        self._busy = 0
        self._idle: list[_Warm] = []
        self._processes: set[CodeProcess] = set()
        self._closed = self._swept = False
        self._describing = asyncio.Lock()
        self._described: tuple[object, Catalogue] | None = None

    @asynccontextmanager
    async def session(
        self, program: str | None, metrics: Sequence[str], limits: Limits, group: str = PROGRAMS
    ) -> AsyncIterator[Session]:
        """Yields a session with this program (tool, retriever) and these metrics; CodeFault when one cannot be loaded.

        However the body ends, the child is kept for others unless it was in the middle of a call.
        """
        entry = required(group, program) if program is not None else None
        code = _Code(entry, tuple(required(METRICS, name) for name in dict.fromkeys(metrics)))
        async with self._taken(code) as warm, guarded(warm.process, limits) as passed:
            warm.process.printed.renew(code.name)
            if warm.loaded is None:
                warm.loaded = await _load(warm.process, code, limits)
                warm.resident_bytes = _resident(warm.process)
            session = Session(warm.process, warm.loaded, limits, passed)
            try:
                yield session
            finally:
                session.leave()
                await self._rest(warm)

    async def describe(self) -> Catalogue:
        """Returns everything that is registered, a fault told beside its entry; remembered until the registry changes.

        All of it is imported in a child outside the bound: who lists need not wait for who evaluates.
        """
        async with self._describing:
            known = {kind: registered(group) for kind, group in GROUPS.items()}
            mark = tuple(each.fingerprint for each in known.values())
            if self._described is None or self._described[0] != mark:
                self._described = mark, await catalogue(known, self._started)
            return self._described[1]

    async def close(self) -> None:
        """Kills every child process; sessions still open get WorkersClosed."""
        self._closed = True
        for warm in self._idle:
            if warm.expiry:
                warm.expiry.cancel()
        for process in (left := list(self._processes)):
            process.kill(WorkersClosed("the service is stopping"))
        for process in left:
            await process.ended()

    @asynccontextmanager
    async def _taken(self, code: _Code) -> AsyncIterator[_Warm]:
        """Yields a warm child with this code, or else a new one; afterwards it is idle, or of no use any more."""
        async with self._free:
            self._busy += 1
            try:
                warm = self._woken(code) or _Warm(await self._started(), code)
                try:
                    yield warm
                finally:
                    self._back(warm)
            finally:
                self._busy -= 1

    def _woken(self, code: _Code) -> _Warm | None:
        """Returns an idle child with this code; where there is none, makes room for one."""
        self._idle = [warm for warm in self._idle if not warm.process.fault]
        fitting = [warm for warm in self._idle if warm.code.key == code.key]
        if fitting:
            self._idle.remove(warm := fitting[-1])
            if warm.expiry:
                warm.expiry.cancel()
            return warm
        if len(self._idle) + self._busy > self.size:
            self._idle.pop(0).process.kill(WorkersClosed("its place is needed"))
        return None

    async def _started(self) -> CodeProcess:
        if self._closed:
            raise WorkersClosed("the service is stopping")
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(homes.sweep)
        process = await CodeProcess.started(self._processes.discard)
        self._processes.add(process)
        if self._closed:  # meanwhile
            process.kill(WorkersClosed("the service is stopping"))
        return process

    async def _rest(self, warm: _Warm) -> None:
        """Has the child forget the session; one that cannot, or has served its time, is killed."""
        warm.uses += 1
        grown = _resident(warm.process) - warm.resident_bytes
        if warm.process.is_asked or warm.uses >= self.uses or grown > self.growth_mb * 2**20:
            warm.process.kill(WorkersClosed("the session is over"))
        with suppress(CodeFault, WorkersClosed):
            answer = await warm.process.ask("rest", _REST_SECONDS, "it does not come to rest")
            if not answer["clean"]:
                warm.process.kill(WorkersClosed("something of the session goes on"))

    def _back(self, warm: _Warm) -> None:
        if warm.loaded is None or self._closed:
            warm.process.kill(WorkersClosed("it is of no use"))
        elif not warm.process.fault:
            self._idle.append(warm)
            expired = WorkersClosed("nobody needs it")
            warm.expiry = asyncio.get_running_loop().call_later(self.idle_seconds, warm.process.kill, expired)


async def _load(process: CodeProcess, code: _Code, limits: Limits) -> Mapping[str, Any]:
    program = _target(code.program) if code.program else None
    late = f"{code.name} was not imported within {limits.prepare_ms} ms"
    metrics = [_target(entry) for entry in code.metrics]
    loaded: Mapping[str, Any] = await process.ask(
        "open", limits.prepare_ms / 1000, late, program=program, metrics=metrics
    )
    return loaded


def _target(entry: EntryPoint) -> list[str]:
    return [entry.name, entry.module, entry.attr]


def _resident(process: CodeProcess) -> int:
    used = usage(process.pid)
    return used.resident_bytes if used else 0
