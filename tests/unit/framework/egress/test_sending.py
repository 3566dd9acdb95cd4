"""A call leaves as soon as it is made; what does not fit its connection at once goes on as it should."""

import asyncio
import inspect
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from framework.egress.calls import Broken, Call, Said
from framework.egress.outlet import Outlet
from framework.egress.sending import begun

LONG = 3_000_000
"""More than the connection takes while nobody reads, in bytes, and more than aiohttp writes as one unwarned."""


class Server(ThreadingHTTPServer):
    """Threads of its own, which go on while the loop does not; answers how long a body was, in the caller's time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.server_bind()
        self.server_activate()
        self.arrived = threading.Event()
        self.may_read = threading.Event()
        self.may_read.set()
        self.breaks = False
        self.connections = 0

    def call(self, body: bytes) -> Call:
        return Call(f"http://127.0.0.1:{self.server_port}/", {}, body, connect_seconds=5.0, read_seconds=20.0)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.server.arrived.set()
        self.server.may_read.wait(20)
        if self.server.breaks:
            self.close_connection = True
            return
        told = str(len(self.rfile.read(int(self.headers["content-length"])))).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        with suppress(ConnectionError):  # its caller may have left
            self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def server() -> Iterator[Server]:
    with Server() as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield serving
        finally:
            serving.may_read.set()
            serving.shutdown()


async def test_a_call_leaves_before_anything_else_runs() -> None:
    with server() as serving:
        async with Outlet() as outlet:
            await outlet.call(serving.call(b"connected"))
            serving.arrived.clear()
            calling = asyncio.create_task(outlet.call(serving.call(b"asked")))
            there = asyncio.create_task(busy_until(serving.arrived))
            assert await there, "it waited for what was ready to run"
            assert (await calling).content == b"5"


async def busy_until(event: threading.Event) -> bool:
    """Keeps the loop from everything else until something happens elsewhere."""
    return event.wait(5)


async def half_written(outlet: Outlet, serving: Server) -> "asyncio.Task[Said]":
    """Returns a call that has come to the server, which does not read on, and does not fit its connection."""
    serving.may_read.clear()
    calling = asyncio.create_task(outlet.call(serving.call(b"x" * LONG)))
    assert await asyncio.to_thread(serving.arrived.wait, 5) and not calling.done()
    return calling


async def test_what_does_not_fit_at_once_goes_on_while_others_run() -> None:
    with server() as serving:
        async with Outlet() as outlet:
            calling = await half_written(outlet, serving)
            serving.may_read.set()
            assert (await calling).content == str(LONG).encode()
            assert (await outlet.call(serving.call(b"again"))).content == b"5"
    assert serving.connections == 1


async def test_a_connection_that_breaks_in_the_middle_of_a_body_is_told_as_such() -> None:
    with server() as serving:
        async with Outlet() as outlet:
            calling = await half_written(outlet, serving)
            serving.breaks = True
            serving.may_read.set()
            with pytest.raises(Broken):
                await calling


async def test_a_call_that_is_cancelled_while_it_is_written_leaves_its_connection_to_nobody() -> None:
    with server() as serving:
        async with Outlet() as outlet:
            calling = await half_written(outlet, serving)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling
            serving.may_read.set()
            assert (await outlet.call(serving.call(b"another"))).content == b"7"
    assert serving.connections == 2


class Work:
    """Does two steps, and waits before each; says what it came to."""

    def __init__(self) -> None:
        self.waits_for = asyncio.get_running_loop().create_future()
        self.then = asyncio.get_running_loop().create_future()
        self.seen: list[object] = []

    async def do(self) -> None:
        self.seen.append("begun")
        try:
            self.seen.append(await self.waits_for)
        except LookupError as error:
            self.seen.append(error)
        try:
            self.seen.append(await self.then)
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise


async def test_what_is_begun_goes_on_with_what_it_is_answered() -> None:
    work = Work()
    rest = begun(work.do())
    assert work.seen == ["begun"], "before anybody waits for it"
    assert inspect.iscoroutine(rest), "tasks of later Pythons take nothing else"
    going_on = asyncio.create_task(rest)
    work.waits_for.set_result(1)
    await asyncio.sleep(0)
    work.then.set_result(2)
    await going_on
    assert work.seen == ["begun", 1, 2]


async def test_what_is_begun_meets_faults_and_cancellations_where_it_waits() -> None:
    work, fault = Work(), LookupError("not there")
    going_on = asyncio.create_task(begun(work.do()))
    work.waits_for.set_exception(fault)
    for _ in range(3):
        await asyncio.sleep(0)
    going_on.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going_on
    assert work.seen == ["begun", fault, "cancelled"]


async def test_what_is_begun_may_be_cancelled_before_it_went_on() -> None:
    work = Work()
    going_on = asyncio.create_task(begun(work.do()))
    await asyncio.sleep(0)
    work.then.cancel()
    going_on.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going_on
    assert work.seen == ["begun"]


async def test_what_is_done_at_once_leaves_nothing_and_what_fails_at_once_says_so() -> None:
    seen: list[int] = []

    async def quick(fault: Exception | None = None) -> None:
        seen.append(1)
        if fault is not None:
            raise fault

    await begun(quick())
    assert seen == [1]
    with pytest.raises(LookupError):
        begun(quick(LookupError("not there")))
