"""Sharing a few processes: warm ones, fair waiting, and ends that are ends."""

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.program.code import homes
from services.program.code.contract import Limits, WorkersClosed
from services.program.code.pool import Workers
from services.program.code.process import CodeProcess

LIMITS = Limits()


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def _gone(*pids: int) -> None:
    await asyncio.to_thread(_wait_for, pids)


def _wait_for(pids: Iterable[int]) -> None:
    until = time.monotonic() + 20
    while any(map(_alive, pids)):
        assert time.monotonic() < until, f"still there: {list(filter(_alive, pids))}"
        time.sleep(0.01)


async def _remembered(workers: Workers, program: str = "remember@1") -> dict[str, Any]:
    async with workers.session(program, [], LIMITS) as session:
        return dict((await session.run({}, {}, 0)).outputs)


async def test_the_same_code_finds_its_process_warm(workers: Workers) -> None:
    """Other code gets another one, and what was warm stays so."""
    first = await _remembered(workers)
    await _remembered(workers, "echo@1")
    second = await _remembered(workers)
    assert (second["pid"], second["calls"]) == (first["pid"], 2)


async def test_a_process_serves_so_many_sessions_and_no_more() -> None:
    """What custom code piles up is thrown away with it."""
    workers = Workers(1, uses=2)
    pids = [(await _remembered(workers))["pid"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    await workers.close()


async def test_a_process_that_has_grown_is_replaced() -> None:
    """Memory that a session leaves behind is given back with the process."""
    workers = Workers(1, growth_mb=-1)
    assert (await _remembered(workers))["pid"] != (await _remembered(workers))["pid"]
    await workers.close()


async def test_there_are_never_more_processes_than_places() -> None:
    """Idle ones make room for other code."""
    workers = Workers(2)
    pids = []
    for program in ("echo@1", "fail@1", "crash@1", "sleep@1"):
        async with workers.session(program, [], LIMITS) as session:
            pids.append(session.pid)
    await _gone(*pids[:2])
    assert all(map(_alive, pids[2:]))
    await workers.close()
    await _gone(*pids)


async def test_a_process_that_nobody_needs_goes() -> None:
    """Memory is not held for the next evaluation for ever; one that is in use stays, however long."""
    workers = Workers(2, idle_seconds=0.0)
    async with workers.session("echo@1", [], LIMITS) as session:
        async with workers.session("remember@1", [], LIMITS) as other:
            pass
        await _gone(other.pid)
        await session.run({}, {}, 0)
    await workers.close()


async def test_who_waits_first_is_served_first() -> None:
    """With one place, sessions come in the order of their asking."""
    workers, served = Workers(1), []

    async def one(number: int) -> None:
        async with workers.session("echo@1" if number % 2 else "fail@1", [], LIMITS):
            served.append(number)

    await asyncio.gather(*(one(number) for number in range(6)))
    assert served == list(range(6))
    await workers.close()


@pytest.mark.parametrize("program", ["sleep@1", "loop@1", "echo-later@1"])
async def test_a_call_that_is_cancelled_in_its_middle_kills_the_process(workers: Workers, program: str) -> None:
    """Nobody waits for what nobody wants; the place is free again."""
    begun = asyncio.Event()
    pids = []

    async def work() -> None:
        async with workers.session(program, [], LIMITS) as session:
            pids.append(session.pid)
            begun.set()
            await session.run({}, {"seconds": 3600}, 0)

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0)  # it is under way
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _gone(*pids)
    await asyncio.gather(*(_remembered(workers) for _ in range(2)))


async def test_who_is_cancelled_while_waiting_in_line_harms_nobody(workers: Workers) -> None:
    """The call before goes on to its end."""
    async with workers.session("sleep@1", [], LIMITS) as session:
        first = asyncio.create_task(session.run({"text": "a"}, {"seconds": 0.2}, 0))
        second = asyncio.create_task(session.run({"text": "b"}, {"seconds": 3600}, 0))
        await asyncio.sleep(0)  # it is under way
        second.cancel()
        assert (await first).outputs == {"text": "a"}
        assert (await session.run({"text": "c"}, {"seconds": 0}, 0)).outputs == {"text": "c"}


async def test_a_session_left_in_the_middle_of_a_call_ends_it(workers: Workers) -> None:
    """A call of another task is ended as well, and a call afterwards is none."""
    async with workers.session("sleep@1", [], LIMITS) as session:
        call = asyncio.create_task(session.run({}, {"seconds": 3600}, 0))
        await asyncio.sleep(0)  # it is under way
    for late in (call, session.run({}, {}, 0)):
        with pytest.raises(WorkersClosed):
            await late


async def test_what_async_code_leaves_behind_ends_with_the_session(workers: Workers) -> None:
    """Its tasks are cancelled, and the process stays of use."""
    assert (await _remembered(workers, "think@1"))["pid"] == (await _remembered(workers, "think@1"))["pid"]


async def test_processes_that_code_starts_end_with_it(workers: Workers, tmp_path: Path) -> None:
    """Whether the session ends or crashes, and even those in a session of their own."""
    async with workers.session("spawn@1", [], LIMITS) as session:
        pids = (await session.run({}, {}, 0)).outputs["pids"]
        assert all(map(_alive, pids))
    await _gone(*pids, session.pid)
    noted = tmp_path / "pids"
    async with workers.session("spawn@1", [], LIMITS) as session:
        with pytest.raises(Exception, match="exit status 9"):
            await session.run({}, {"crash": str(noted)}, 0)
    await _gone(*(int(pid) for pid in noted.read_text().split()[::2]))


async def test_closing_kills_everything_and_blames_nobody() -> None:
    """A call in its middle ends as what it is: stopped by us."""
    workers = Workers(2)
    async with workers.session("echo@1", [], LIMITS) as idle:
        pass
    async with workers.session("sleep@1", [], LIMITS) as session:
        call = asyncio.create_task(session.run({}, {}, 0))
        await asyncio.sleep(0)  # it is under way
        await workers.close()
        with pytest.raises(WorkersClosed):
            await call
    assert not _alive(idle.pid)
    assert not _alive(session.pid)
    with pytest.raises(WorkersClosed):
        async with workers.session("echo@1", [], LIMITS):
            pass


async def test_a_process_ends_when_its_channel_does() -> None:
    """It lives for its parent's questions only."""
    gone = asyncio.Event()
    process = await CodeProcess.started(lambda _: gone.set())
    process.hang_up()
    await gone.wait()
    assert not _alive(process.pid)


_PARENT = """
import asyncio, sys
sys.path[:0] = {path!r}
from services.program.code.contract import Limits
from services.program.code.pool import Workers
async def main():
    async with Workers(1).session("loop@1", [], Limits()) as session:
        call = asyncio.create_task(session.run({{}}, {{}}, 0))
        await asyncio.sleep(0.05)
        print(session.pid, flush=True)
        await call
asyncio.run(main())
"""


def test_no_process_outlives_a_killed_service() -> None:
    """Not even one in the middle of an endless loop; what it kept on the disk goes with the next service."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT.format(path=sys.path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        assert _alive(child)
        parent.send_signal(signal.SIGKILL)
    _wait_for([child])
    assert _homes(parent.pid)
    homes.sweep()
    assert not _homes(parent.pid)


def _homes(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"ashgrove-code-*-{pid}-*"))
