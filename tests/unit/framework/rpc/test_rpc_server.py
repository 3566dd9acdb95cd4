"""The life of a process: not healthy before it is ready, calls in flight end, a dead task ends it."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deploy.local.ports import free_port
from framework.rpc.channels import channel_to
from framework.rpc.identity import Verifier
from framework.rpc.server import Process, serve

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A process sets up the logs of the whole interpreter; the tests after it want theirs back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@asynccontextmanager
async def running(**given: Any) -> AsyncIterator[tuple["asyncio.Task[None]", aio.Channel]]:
    process = Process("t", "127.0.0.1", free_port(), services=["t.Shapes"], log_level="ERROR", **given)

    async def make() -> Process:
        return process

    task = asyncio.create_task(serve(make))
    async with channel_to(f"127.0.0.1:{process.port}") as channel:
        try:
            yield task, channel
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def health_of(channel: aio.Channel) -> Any:
    stub = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=20)).status


async def until(channel: aio.Channel, status: Any, begun: asyncio.Event | None = None) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=20)
    async for answer in watch:
        if begun:
            begun.set()
        if answer.status == status:
            break
    watch.cancel()


async def test_health_follows_readiness() -> None:
    """A process is NOT_SERVING until every dependency answers, and from then on SERVING."""
    answers = asyncio.Event()

    async def check() -> None:
        if not answers.is_set():
            raise ConnectionError("no database")

    async with running(ready=[check]) as (_, channel):
        assert await health_of(channel) == NOT_SERVING
        answers.set()
        await until(channel, SERVING)
        answers.clear()
        await until(channel, NOT_SERVING)


async def test_health_and_reflection_ask_for_no_identity(issuer: Any) -> None:
    """Probes and tools need no token, and a bad one does not hurt them."""
    bad = (("authorization", "Bearer nonsense"),)
    async with running(verifier=Verifier(issuer.fetch)) as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), metadata=bad, wait_for_ready=True, timeout=20)
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        stream = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]), metadata=bad)
        names = {s.name async for answer in stream for s in answer.list_services_response.service}
    assert "t.Shapes" in names and issuer.fetches == 0


async def test_a_stop_lets_calls_end(handler: Any) -> None:
    """After SIGTERM a call in flight is answered, background work is stopped, and what was opened is closed."""
    began, go, events = asyncio.Event(), asyncio.Event(), []

    async def behaviour(_: Any) -> bytes:
        began.set()
        await go.wait()
        events.append("answered")
        return b"done"

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            events.append("stopped")

    async def close() -> None:
        events.append("closed")

    async with running(handlers=[handler(behaviour)], background=[work], close=[close]) as (task, channel):
        await until(channel, SERVING)
        call = asyncio.ensure_future(channel.unary_unary("/t.Shapes/UnaryUnary")(b""))
        await began.wait()
        watch = asyncio.create_task(until(channel, NOT_SERVING, begun := asyncio.Event()))
        await begun.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await watch
        go.set()
        assert await call == b"done"
        await task
    assert events == ["answered", "stopped", "closed"]


@pytest.mark.parametrize("fault", [RuntimeError("gone"), None])
async def test_a_dead_task_ends_the_process(fault: Exception | None) -> None:
    """A process without its background work is of no use: it ends with a failure, and its supervisor starts it anew."""
    closed = []

    async def work() -> None:
        if fault:
            raise fault

    async def close() -> None:
        closed.append(True)

    process = Process("t", "127.0.0.1", free_port(), background=[work], close=[close], log_level="CRITICAL")

    async def make() -> Process:
        return process

    with pytest.raises(SystemExit) as caught:
        await serve(make)
    assert caught.value.code == 1 and closed
