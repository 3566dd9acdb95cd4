"""One child process and the channel to it: started clean, asked with a deadline, killed with all that it started."""

import asyncio
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from framework.tasks import stopped
from services.program.code import channel, homes
from services.program.code.contract import CodeFault, WorkersClosed
from services.program.code.printed import Printed
from services.program.code.starting import start, verdict
from services.program.code.usage import family

_HANG_UP_SECONDS = 1.0


class CodeProcess:
    """A child process; `await CodeProcess.started()` makes one."""

    def __init__(self, at_end: Callable[["CodeProcess"], None]) -> None:
        self.mark = secrets.token_hex(12)
        self.home = homes.made()
        self.printed = Printed()
        self._at_end = at_end
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._cause: Exception | None = None
        try:
            self._ours, self._popen = self._start()
        except OSError:  # no process is to be had
            self.printed.close()
            homes.remove(self.home)
            raise
        self._life: asyncio.Task[None] | None = None

    @classmethod
    async def started(cls, at_end: Callable[["CodeProcess"], None]) -> "CodeProcess":
        """Returns a new child process, which has loaded nothing yet; `at_end` is told when it is gone."""
        process = cls(at_end)
        process.printed.listen()
        try:
            reader, process._writer = await asyncio.open_unix_connection(sock=process._ours)
        except BaseException:  # a cancellation, most likely: nobody would ever end it
            process._abandon()
            raise
        process._life = asyncio.create_task(process._live(reader))
        return process

    _writer: StreamWriter

    @property
    def pid(self) -> int:
        """The process's id, which is its group's and its session's too."""
        return self._popen.pid

    @property
    def fault(self) -> Exception | None:
        """Why it is of no use any more; None while it is."""
        return self._cause

    @property
    def is_asked(self) -> bool:
        """Whether a question is open."""
        return bool(self._waiting)

    async def ask(self, do: str, seconds: float, late: str, **said: Any) -> Any:
        """Returns the child's answer; raises CodeFault with its fault, or with what ended it.

        A child that is late is killed, and so is one whose asker is cancelled: it is in the middle of a call.
        """
        if self._cause:
            raise self._cause.with_traceback(None)
        number, future = next(self._numbers), asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(seconds):
                await self._send({"id": number, "do": do, "with": said})
                answer = await future
        except TimeoutError:
            self.kill(fault := CodeFault("TIMEOUT", late))
            raise fault from None
        except asyncio.CancelledError:
            self.kill(WorkersClosed("whoever asked does not want to know any more"))
            raise
        finally:
            self._waiting.pop(number, None)
        if "fault" in answer:
            raise CodeFault(*answer["fault"])
        return answer["value"]

    def kill(self, cause: Exception) -> None:
        """Kills the process and all that it started, at once; the first cause stays the cause."""
        self._cause = self._cause or cause
        if self._popen.returncode is None:
            self._kill_all()

    def hang_up(self) -> None:
        """Closes the channel; a child that is not in the middle of a sync call then ends by itself."""
        self._writer.close()

    async def ended(self) -> None:
        """Returns when the process is gone and its traces are removed."""
        if self._life:
            await asyncio.wait([self._life])

    def _start(self) -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, self.printed.end() as sink:
            return ours, start(theirs.fileno(), sink, self.home, self.mark)

    def _abandon(self) -> None:
        self._popen.kill()
        self._popen.wait()
        self._ours.close()
        self.printed.close()
        homes.remove(self.home)

    async def _send(self, message: dict[str, Any]) -> None:
        with suppress(ConnectionError):  # it is gone: the open questions are answered with why
            self._writer.write(channel.packed(message))
            await self._writer.drain()

    async def _live(self, reader: StreamReader) -> None:
        """Hands out answers until the process has ended, then leaves nothing of it."""
        pidfd = os.pidfd_open(self.pid)
        gone = asyncio.create_task(_readable(pidfd))
        listening = asyncio.create_task(self._listen(reader))
        try:
            await asyncio.wait([gone, listening], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([gone], timeout=_HANG_UP_SECONDS)
            if not gone.done():
                self._cause = self._cause or CodeFault("CRASH", "the code closed the channel on which it is called")
        finally:
            self._kill_all(self.mark.encode())  # what it started must not outlive it, nor it the channel
            await stopped([listening])
            await asyncio.wait([gone])
            os.close(pidfd)
            found = verdict(self._popen.wait())
            self._cause = self._cause or found
            self._finish()
            await asyncio.to_thread(homes.remove, self.home)
            self._at_end(self)

    async def _listen(self, reader: StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, ValueError, KeyError):
            while True:
                size = channel.HEAD.unpack(await reader.readexactly(channel.HEAD.size))[0]
                if size > channel.LARGEST_REPLY + 1024:
                    return  # nothing that our side of the child wrote
                answer = json.loads(await reader.readexactly(size))
                future = self._waiting.get(answer["id"])
                if future and not future.done():
                    future.set_result(answer)

    def _finish(self) -> None:
        assert self._cause is not None
        self.hang_up()
        self.printed.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._cause)

    def _kill_all(self, mark: bytes = b"") -> None:
        """Kills the group and who has left it; until the child is waited for, nobody else can have its id.

        While the child lives, its orphans are its children, and found; later only their session or their mark tells.
        """
        strays = family(self.pid, mark)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for stray in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)


async def _readable(descriptor: int) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
