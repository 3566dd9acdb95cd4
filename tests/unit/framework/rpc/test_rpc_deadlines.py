"""What a call passes on: deadline, identity and request id; and how long a call without a deadline may take."""

import asyncio
import math
from typing import Any

import grpc
import pytest
from grpc import aio

from framework.call import ANONYMOUS, Context
from framework.errors import DeadlinePassed
from framework.rpc import interceptors as around
from framework.rpc.channels import as_caller
from framework.rpc.current import current, current_or_none, enter
from framework.rpc.identity import Verifier


async def seen_by(serving: Any, shape: str = "UnaryUnary", **given: Any) -> Context:
    seen: list[Context] = []

    async def behaviour(_: Any) -> bytes:
        seen.append(current())
        return b""

    async with serving(behaviour) as served:
        await served.call(shape, **given)
    return seen[0]


async def test_a_deadline_is_kept(serving: Any) -> None:
    """The caller's deadline is the call's."""
    context = await seen_by(serving, timeout=12.0)
    assert 0 < context.remaining() < 13  # gRPC rounds up


async def test_a_unary_call_is_capped(serving: Any) -> None:
    """No unary call may hold the server for hours."""
    context = await seen_by(serving, timeout=9999.0)
    assert context.remaining() <= around.LONGEST_SECONDS


async def test_streams_may_last(serving: Any) -> None:
    """A stream has the deadline that its caller gave, and none otherwise."""
    assert (await seen_by(serving, "UnaryStream")).deadline == math.inf
    assert (await seen_by(serving, "UnaryStream", timeout=9999.0)).remaining() > 9000


async def test_a_call_without_a_deadline_ends(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unary call whose caller gave no deadline is stopped at the default one."""
    monkeypatch.setattr(around, "DEFAULT_SECONDS", 0.05)
    stopped = asyncio.Event()

    async def behaviour(_: Any) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    async with serving(behaviour) as served, aio.insecure_channel(served.address) as plain:
        with pytest.raises(aio.AioRpcError) as caught:
            await plain.unary_unary("/t.Shapes/UnaryUnary")(b"")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert stopped.is_set()


@pytest.mark.parametrize("given", ["", "x" * 129, "a b"])
async def test_strange_request_ids_are_replaced(serving: Any, given: str) -> None:
    """A request id that could spoil a log line is replaced by one of ours."""
    context = await seen_by(serving, metadata=(("x-request-id", given),))
    assert len(context.request_id) == 36 and context.request_id != given


async def test_calls_pass_on_what_they_were_given(serving: Any, issuer: Any) -> None:
    """A call made while serving one has its request id, its caller's identity and no more than its time."""
    inner: list[Context] = []

    async def last(_: Any) -> bytes:
        inner.append(current())
        return b""

    verifier = Verifier(issuer.fetch)
    async with serving(last, verifier) as behind:

        async def first(_: Any) -> bytes:
            await behind.call(timeout=100.0)
            await behind.call(metadata=as_caller(issuer.token(sub="other", kind="service")))
            return b""

        async with serving(first, verifier) as served:
            metadata = (*as_caller(issuer.token(sub="caller", kind="service")), ("x-request-id", "req-9"))
            await served.call(timeout=50.0, metadata=metadata)
    assert [c.actor.id for c in inner] == ["caller", "other"]
    assert {c.request_id for c in inner} == {"req-9"}
    assert all(c.remaining() < 51 for c in inner)  # gRPC rounds up


async def test_no_call_is_made_after_the_deadline(serving: Any) -> None:
    """When no time is left the peer is not even asked."""

    async def never(_: Any) -> bytes:
        raise AssertionError

    async with serving(never) as served:

        async def late() -> None:
            enter(Context(ANONYMOUS, "Late", "r", 0.0))
            with pytest.raises(DeadlinePassed):
                await served.call()

        await asyncio.create_task(late())
    assert current_or_none() is None
    with pytest.raises(LookupError):
        current()
