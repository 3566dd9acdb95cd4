"""What happens around every call, whatever its shape, in one checked order."""

import asyncio
import inspect
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import any_pb2, symbol_database
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from framework import telemetry
from framework.call import ANONYMOUS, Actor, Context
from framework.errors import DeadlinePassed, Failure, InternalFault
from framework.identifiers import new_id
from framework.resource.sensitive import secrets_in, strike, struck
from framework.rpc.current import current_or_none, enter
from framework.rpc.identity import Verifier, bearer
from framework.rpc.open_streams import OpenStreams
from framework.rpc.tracing import traced

DEFAULT_SECONDS = 30.0
LONGEST_SECONDS = 300.0
# Clients accept 8 KiB of trailing metadata, and the message goes twice: percent-encoded (three times as long), and
# inside the details.
_MOST_BYTES = 7000
_SHORT = 300
_EXEMPT = ("/grpc.health.", "/grpc.reflection.")
# Set by ext_authz; the gateway strips what clients call so.
ADDRESS = "x-ashgrove-internal-address"
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_log = logging.getLogger("ashgrove.rpc")
Around = Callable[[Any, Any], AbstractAsyncContextManager[None]]


@dataclass
class Asked:
    """What gRPC tells about a call, and whether it is a stream one way or the other."""

    method: str
    streaming: bool
    invocation_metadata: Any
    request: Any
    """What is asked; of streams of requests, what reads them."""


Behaviour = Callable[[Any, Any], Any]


class Surrounding(aio.ServerInterceptor):
    """Runs async context managers around every call: unary, streaming, or written with `context.write`.

    They are outermost first, those around streams only inside the others. Each method's handler is surrounded once.
    """

    def __init__(self, arounds: Sequence[Around], around_streams: Sequence[Around] = ()) -> None:
        self.arounds = tuple(arounds)
        self.around_streams = (*arounds, *around_streams)
        self._surrounded: dict[str, tuple[Any, Any]] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Returns the surrounded handler; an unknown method stays unknown."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None or method.startswith(_EXEMPT):
            return handler
        known, surrounded = self._surrounded.get(method, (None, None))
        if known is not handler:
            surrounded = self._around(method, handler)
            self._surrounded[method] = handler, surrounded
        return surrounded

    def _around(self, method: str, handler: Any) -> Any:
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        streaming = bool(handler.request_streaming or handler.response_streaming)
        yields = handler.response_streaming and not inspect.iscoroutinefunction(inner)
        surrounded = _stream if yields else _single
        arounds = self.around_streams if streaming else self.arounds
        return _rebuilt(handler, surrounded(method, streaming, arounds, inner))


def _single(method: str, streaming: bool, arounds: Sequence[Around], inner: Behaviour) -> Behaviour:
    def innermost(asked: Asked, context: Any) -> Any:
        return inner(asked.request, context)

    behaviour: Behaviour = innermost
    for around in reversed(arounds):
        behaviour = _within(around, behaviour)

    async def entered(request: Any, context: Any) -> Any:
        return await behaviour(Asked(method, streaming, context.invocation_metadata(), request), context)

    return entered


def _within(around: Around, inner: Behaviour) -> Behaviour:
    async def surrounded(asked: Asked, context: Any) -> Any:
        async with around(asked, context):
            return await inner(asked, context)

    return surrounded


def _stream(method: str, streaming: bool, arounds: Sequence[Around], inner: Behaviour) -> Behaviour:
    # One generator, not each inside the other: that took a kilobyte of every watcher, and a turn at every frame.
    async def entered(request: Any, context: Any) -> AsyncIterator[Any]:
        asked = Asked(method, streaming, context.invocation_metadata(), request)
        async with AsyncExitStack() as entering:
            for around in arounds:
                await entering.enter_async_context(around(asked, context))
            async for reply in inner(request, context):
                yield reply

    return entered


def _rebuilt(handler: Any, behaviour: Any) -> Any:
    request = "stream" if handler.request_streaming else "unary"
    response = "stream" if handler.response_streaming else "unary"
    make = getattr(grpc, f"{request}_{response}_rpc_method_handler")
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


def interceptors(verifier: Verifier | None, streams: OpenStreams | None = None) -> list[Surrounding]:
    """Returns the interceptors, which are one."""
    around_all = (
        # Outermost, so that every failure below is logged with its request id and time.
        traced,
        # Outside the rest, so that a refusal of any of them becomes a status and nothing leaks.
        mapped,
        # Inside mapped, which turns its refusals into statuses; the actor is unknown until here.
        identified(verifier),
    )
    # Innermost: whose stream it is must be known.
    return [Surrounding(around_all, [(streams or OpenStreams()).bounded])]


@asynccontextmanager
async def mapped(details: Any, context: Any) -> AsyncIterator[None]:
    """Turns a Failure into its status, everything else into INTERNAL with a request id; the truth is logged."""
    try:
        yield
    except aio.AbortError:
        raise
    except Failure as failure:
        await _abort(context, failure)
    except TimeoutError:
        await _abort(context, DeadlinePassed("the deadline passed before the work was done"))
    except Exception:
        call = current_or_none()
        request_id = call.request_id if call else request_id_of(_metadata(details))
        _log.exception("%s failed", details.method, extra={"request_id": request_id})
        await _abort(context, InternalFault(request_id))


async def _abort(context: Any, failure: Failure) -> None:
    status = rpc_status.to_status(fitting(_without_secrets(failure.status())))
    await context.abort(status.code, status.details, status.trailing_metadata)


def _without_secrets(status: status_pb2.Status) -> status_pb2.Status:
    """Returns a status in which no sensitive value of the request is quoted, whoever wrote it."""
    call = current_or_none()
    secrets = secrets_in(call.arguments) if call else set()
    if secrets:
        status.message = struck(status.message, secrets)
        for packed in status.details:
            detail = symbol_database.Default().GetSymbol(packed.TypeName())()
            packed.Unpack(detail)
            strike(detail, secrets)
            packed.Pack(detail)
    return status


def fitting(status: status_pb2.Status) -> status_pb2.Status:
    """Returns a status that clients accept: above 8 KiB of trailing metadata gRPC tells them RESOURCE_EXHAUSTED."""
    if status.ByteSize() + 3 * len(status.message.encode()) <= _MOST_BYTES:
        return status
    short = status_pb2.Status(code=status.code, message=status.message[:_SHORT])
    room = _MOST_BYTES - 4 * len(short.message.encode())
    for detail in status.details:
        kept, bad = detail, error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            kept = any_pb2.Any()
            kept.Pack(_first(bad, room))
        if kept.ByteSize() <= room:
            short.details.append(kept)
            room -= kept.ByteSize()
    return short


def _first(bad: error_details_pb2.BadRequest, room: int) -> error_details_pb2.BadRequest:
    """Returns as many violations as fit, in their order."""
    first = error_details_pb2.BadRequest()
    for violation in bad.field_violations:
        shorter = first.field_violations.add(field=violation.field[:_SHORT], description=violation.description[:_SHORT])
        if first.ByteSize() > room - 100:  # what packing adds
            first.field_violations.remove(shorter)
            break
    return first


def identified(verifier: Verifier | None) -> Around:
    """Makes the call's context: actor, request id, deadline; without a verifier everybody is anonymous."""

    @asynccontextmanager
    async def around(details: Any, context: Any) -> AsyncIterator[None]:
        metadata = _metadata(details)
        token = bearer(metadata.get("authorization", ""))
        actor: Actor = await verifier.actor(token) if token and verifier else ANONYMOUS
        action = details.method.rsplit("/", 1)[-1]
        came = telemetry.Traced.by(metadata.get("traceparent", ""))
        call = Context(
            actor,
            action,
            request_id_of(metadata),
            _deadline(context, details.streaming),
            token,
            metadata.get(ADDRESS, ""),
            metadata.get("user-agent", "")[:_SHORT],
            arguments=details.request if isinstance(details.request, Message) else None,
            token_ends=verifier.ends(token) if token and verifier else math.inf,
            trace_id=telemetry.trace_id() or came.trace_id,
            traceparent=came.header,
        )
        enter(call)
        # gRPC itself stops a call at its caller's deadline, but knows nothing of the default and of the longest.
        async with asyncio.timeout(None if details.streaming else call.remaining()):
            yield

    return around


def _deadline(context: Any, streaming: bool) -> float:
    left = context.time_remaining()
    if streaming:  # a watch may last for days
        return math.inf if left is None else time.monotonic() + left
    seconds = DEFAULT_SECONDS if left is None else min(left, LONGEST_SECONDS)
    return time.monotonic() + seconds


def request_id_of(metadata: dict[str, str]) -> str:
    """Returns the caller's request id when it is a sane one, a new one otherwise."""
    given = metadata.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


def _metadata(details: Any) -> dict[str, str]:
    return {k: v for k, v in details.invocation_metadata or () if isinstance(v, str)}
