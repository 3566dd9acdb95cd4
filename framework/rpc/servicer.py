"""Generic gRPC handlers: a registry's methods, done by the engine; no servicer is written by hand."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError

from framework.engine import Engine
from framework.errors import FieldViolation, InvalidFields
from framework.resource import MethodSpec
from framework.rpc.current import current

# What a browser may do with a document that a service has written: show it, with its own style, and nothing else.
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PAGE = (("content-security-policy", f"{_PAGE_POLICY}; frame-ancestors 'none'; sandbox"),)
_UNREAD: Any = object()
"""Stands for a request that is none."""


def handlers_of(engine: Engine) -> list[grpc.GenericRpcHandler]:
    """Returns the handler of each gRPC service."""
    return [_handler(engine, served) for served in engine.registry.served]


def _handler(engine: Engine, served: ServiceDescriptor) -> grpc.GenericRpcHandler:
    methods = {m.name: _method(engine, engine.registry.method(m.name)) for m in served.methods}
    return grpc.method_handlers_generic_handler(served.full_name, methods)


def _method(engine: Engine, method: MethodSpec) -> Any:
    make, behaviour = _shape(method)
    return make(
        behaviour(engine, method),
        request_deserializer=partial(_read, method.request_class.FromString),
        response_serializer=partial(_bytes_of, method.response_class.SerializeToString),
    )


def _read(parse: Callable[[bytes], Any], content: bytes) -> Any:
    # gRPC answers a fault of its reader by itself, as UNKNOWN with the library's text: ours is told further in.
    try:
        return parse(content)
    except DecodeError:
        return _UNREAD


def _believed(request: Any) -> Any:
    """Returns a request; raises InvalidFields for one that could not be read."""
    if request is _UNREAD:
        raise InvalidFields(
            FieldViolation("request", "is no message of this call, or holds values nested too deep: make them flatter")
        )
    return request


def _bytes_of(serialize: Callable[[Any], bytes], answer: Any) -> bytes:
    # A frame that many hear was made into bytes once, for all of them.
    return answer if isinstance(answer, bytes) else serialize(answer)


def _shape(method: MethodSpec) -> tuple[Callable[..., Any], Callable[..., Any]]:
    if method.gathers:
        return grpc.stream_unary_rpc_method_handler, _gathering
    if method.streaming:
        return grpc.unary_stream_rpc_method_handler, _stream
    return grpc.unary_unary_rpc_method_handler, _unary


def _unary(engine: Engine, method: MethodSpec) -> Callable[..., Any]:
    async def behaviour(request: Any, context: Any) -> Any:
        answer = await engine.unary(method, current(), _believed(request))
        if method.response_class is HttpBody:
            await context.send_initial_metadata(_PAGE)
        return answer

    return behaviour


def _stream(engine: Engine, method: MethodSpec) -> Callable[..., Any]:
    # No generator around the engine's: every frame would pass it, and every stream hold it.
    def behaviour(request: Any, _: Any) -> AsyncIterator[Any]:
        return engine.stream(method, current(), _believed(request))

    return behaviour


def _gathering(engine: Engine, method: MethodSpec) -> Callable[..., Any]:
    async def behaviour(requests: AsyncIterator[Any], _: Any) -> Any:
        # Whoever sends nothing asks with an empty request, and hears what it lacks.
        first = _believed(await anext(requests, None)) or method.request_class()
        return await engine.unary(method, current(), first, _each_believed(requests))

    return behaviour


async def _each_believed(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for each in requests:
        yield _believed(each)
