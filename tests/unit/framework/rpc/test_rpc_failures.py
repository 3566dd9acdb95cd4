"""Failures become statuses, faults become INTERNAL with a request id, and nothing else is told."""

import asyncio
import logging
from typing import Any

import grpc
import pytest
from grpc import aio

from framework import errors
from framework.rpc import interceptors as around
from framework.rpc.peer_failures import failure_of, from_peer

SHAPES = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
TOLD = [
    errors.NotFound("program", "p1"),
    errors.AlreadyExists("a program has that name", field="name"),
    errors.StaleEtag("it changed", current_etag="e2"),
    errors.WriteConflict("two writers met"),
    errors.IllegalState("it is archived", status="ARCHIVED"),
    errors.NoResultYet("nothing yet", run_id="r1"),
    errors.NotPermitted("viewers may not do this"),
    errors.GrantLost("the grant was revoked", grant_id="g1"),
    errors.DeadlinePassed("the deadline passed"),
    errors.DependencyUnavailable("variables does not answer", service="variables"),
    errors.ModelFailed("the model could not answer", model="nearest-demo"),
    errors.Unauthenticated(),
    errors.InvalidFields(errors.FieldViolation("name", "too long"), errors.FieldViolation("id", "no UUID")),
]


def raising(fault: BaseException) -> Any:
    async def behaviour(_: Any) -> bytes:
        raise fault

    return behaviour


async def refused(served: Any, shape: str = "UnaryUnary", **given: Any) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as caught:
        await served.call(shape, **given)
    return caught.value


def test_the_order_of_the_interceptors() -> None:
    """Trace is outside errors, errors outside identity: every refusal is logged, and every one is a status."""
    (one,) = around.interceptors(None)
    names = [each.__qualname__.split(".")[0] for each in one.around_streams]
    assert names == ["traced", "mapped", "identified", "OpenStreams"]
    assert one.arounds == one.around_streams[:3]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_fault_leaks_nothing(serving: Any, shape: str, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected exception is INTERNAL with the request id; the truth is in the log and only there."""
    async with serving(raising(RuntimeError("password=hunter2"))) as served:
        error = await refused(served, shape, metadata=(("x-request-id", "req-7"),))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == "internal error; quote request req-7"
    assert "hunter2" not in repr(error.trailing_metadata())
    record = next(r for r in caplog.records if r.levelno == logging.ERROR)
    assert "hunter2" in str(record.exc_info) and record.__dict__["request_id"] == "req-7"


@pytest.mark.parametrize("failure", TOLD, ids=lambda f: type(f).__name__)
async def test_a_failure_survives_the_way_to_a_peer(serving: Any, failure: errors.Failure) -> None:
    """A peer's failure is the same failure here: class, message and metadata."""
    async with serving(raising(failure)) as served:
        error = await refused(served)
    assert error.code() is failure.code
    again = failure_of(error, "peer")
    assert type(again) is type(failure) and again.message == failure.message
    assert dict(again.metadata) == dict(failure.metadata)
    assert getattr(again, "violations", ()) == getattr(failure, "violations", ())


@pytest.mark.parametrize("shape", SHAPES)
async def test_failures_are_told_in_every_shape(serving: Any, shape: str) -> None:
    """Each of the four call shapes answers a failure with its code."""
    async with serving(raising(errors.NotFound("program", "p1"))) as served:
        assert (await refused(served, shape)).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("word", ["must be shorter", "слишком длинное значение", "\U0001f600" * 40])
@pytest.mark.parametrize("count", [1, 9, 40, 3000])
async def test_many_violations_still_arrive(serving: Any, count: int, word: str) -> None:
    """A refusal with more than trailing metadata may hold keeps its code, its reason and its first violations."""
    violations = [errors.FieldViolation(f"demos[{n}].outputs", word) for n in range(count)]
    async with serving(raising(errors.InvalidFields(*violations))) as served:
        error = await refused(served)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    again = failure_of(error, "peer")
    assert isinstance(again, errors.InvalidFields)
    assert again.violations == tuple(violations[: len(again.violations)]) != ()


async def test_one_huge_message_still_arrives(serving: Any) -> None:
    """A message of any length is cut, and the code is kept."""
    async with serving(raising(errors.IllegalState("é" * 20_000, status="é" * 20_000))) as served:
        assert (await refused(served)).code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_timeout_is_a_passed_deadline(serving: Any) -> None:
    """A TimeoutError of asyncio is DEADLINE_EXCEEDED."""
    async with serving(raising(TimeoutError())) as served:
        assert (await refused(served)).code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_abort_passes(serving: Any) -> None:
    """What a handler aborts with is told as it is."""

    async def behaviour(context: Any) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "as said")
        raise AssertionError

    async with serving(behaviour) as served:
        error = await refused(served)
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "as said")


async def test_cancellation_passes(serving: Any) -> None:
    """A caller that goes away cancels the handler; it is no fault."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def behaviour(_: Any) -> bytes:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with serving(behaviour) as served:
        call = asyncio.create_task(served.call())
        await began.wait()
        call.cancel()
        await ended.wait()


async def test_a_method_that_is_not_there(serving: Any) -> None:
    """An unknown method is UNIMPLEMENTED, not a fault."""
    async with serving(raising(AssertionError())) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.channel.unary_unary("/t.Shapes/Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_peer_that_is_down(serving: Any) -> None:
    """A peer that does not answer is an unavailable dependency, by its name."""
    async with serving(raising(AssertionError())) as served:
        pass
    from framework.rpc.channels import channel_to

    async with channel_to(served.address) as channel:
        with pytest.raises(errors.DependencyUnavailable) as caught, from_peer("program"):
            await channel.unary_unary("/t.Shapes/UnaryUnary")(b"")
    assert caught.value.metadata["service"] == "program"
