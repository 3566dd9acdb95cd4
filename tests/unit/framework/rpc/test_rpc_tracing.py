"""Traces over gRPC: what comes in is continued, what goes out is told, in every shape of call."""

from typing import Any

import grpc
import pytest
from grpc import aio

from framework.errors import NotFound
from framework.rpc.current import current
from framework.testing.spans import recorded

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHAPES = ["UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"]


async def trace_of(_: Any) -> bytes:
    return current().trace_id.encode()


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_call_is_one_span_in_the_callers_trace(serving: Any, shape: str) -> None:
    with recorded() as kept:
        async with serving(trace_of) as served:
            assert await served.call(shape, metadata=(("traceparent", HEADER),)) == HEADER[3:35].encode()
    (span,) = kept
    assert (span.name, span.kind, span.parent) == (f"t.Shapes/{shape}", "SERVER", HEADER[36:52])
    assert span.attributes["rpc.grpc.status_code"] == 0
    assert span.attributes["ashgrove.request.id"]


async def test_without_a_collector_the_callers_trace_is_known_and_passed_on(serving: Any) -> None:
    async def headers(context: Any) -> bytes:
        return dict(context.invocation_metadata()).get("traceparent", "none").encode()

    async with serving(headers) as last:

        async def relay(_: Any) -> bytes:
            return current().trace_id.encode() + b" " + await last.call()

        async with serving(relay) as first:
            assert await first.call(metadata=(("traceparent", HEADER),)) == f"{HEADER[3:35]} {HEADER}".encode()
            assert await first.call() == b" none"


@pytest.mark.parametrize("shape", ["UnaryUnary", "UnaryStream"])
async def test_a_call_to_another_service_is_a_span_between_the_two(serving: Any, shape: str) -> None:
    with recorded() as kept:
        async with serving(trace_of) as last:

            async def relay(_: Any) -> bytes:
                return await last.call(shape)  # type: ignore[no-any-return]

            async with serving(relay) as first:
                said = await first.call()
    by_kind = {(s.kind, s.name): s for s in kept}
    served = by_kind["SERVER", "t.Shapes/UnaryUnary"] if shape == "UnaryStream" else kept[-1]
    called = by_kind["CLIENT", f"t.Shapes/{shape}"]
    assert called.parent == served.id
    assert called.id in {s.parent for s in kept if s.kind == "SERVER"}
    assert {s.trace_id for s in kept} == {said.decode()}


async def test_a_refusal_is_an_answer_and_a_fault_is_marked(serving: Any) -> None:
    async def behaviour(context: Any) -> bytes:
        raise NotFound("thing", "1") if dict(context.invocation_metadata()).get("x") else ValueError("canary-9")

    with recorded() as kept:
        async with serving(behaviour) as served:
            for metadata in ((("x", "1"),), ()):
                with pytest.raises(aio.AioRpcError):
                    await served.call(metadata=metadata)
    codes = [grpc.StatusCode.NOT_FOUND.value[0], grpc.StatusCode.INTERNAL.value[0]]
    assert [(s.attributes["rpc.grpc.status_code"], s.failed) for s in kept] == list(
        zip(codes, (False, True), strict=True)
    )
    assert "canary" not in str([s.attributes for s in kept])
