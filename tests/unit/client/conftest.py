"""A real gRPC server in this process, whose answers each test scripts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from ashgrove.areas import AREAS
from ashgrove.client import Client
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramResponse
from ashgrove.resource.v1.export_pb2 import ExportResponse
from ashgrove.resource.v1.watch_pb2 import WatchResponse
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass


class Scripted:
    """Answers what the test put down, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self.watches: list[Any] = []
        self.frames: list[Any] = []
        self.exports: list[Any] = []
        self.answer: Any = None

    def _note(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        self.metadata.append(dict(context.invocation_metadata()))

    def _answered(self, request: Any, context: Any) -> Any:
        self._note(request, context)
        return self.answer(request, context)

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        """Returns what answers every call that is no stream."""
        return self._answered

    def EvaluateProgram(self, request: Any, context: Any) -> Iterator[EvaluateProgramResponse]:
        """Streams the frames."""
        self._note(request, context)
        yield from self.frames

    def ExportPrograms(self, request: Any, context: Any) -> Iterator[ExportResponse]:
        """Streams the next script; an exception in it ends the stream with that status."""
        self._note(request, context)
        for step in self.exports.pop(0):
            if isinstance(step, grpc.StatusCode):
                context.abort(step, "the stream broke")
            yield step

    def WatchPrograms(self, request: Any, context: Any) -> Iterator[WatchResponse]:
        """Streams the next script; an exception in it ends the stream with that status."""
        self._note(request, context)
        for step in self.watches.pop(0):
            if isinstance(step, grpc.StatusCode):
                context.abort(step, "the stream broke")
            yield step

    def WatchOptimizationRun(self, request: Any, context: Any) -> Iterator[WatchOptimizationRunResponse]:
        """Streams the next script; a status in it, and what is called, ends the stream."""
        self._note(request, context)
        for step in self.watches.pop(0):
            if isinstance(step, grpc.StatusCode):
                context.abort(step, "the stream broke")
            if callable(step):
                step(request, context)
            yield step


def _handler(scripted: Any, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        service.full_name, {m.name: _method(scripted, m) for m in service.methods}
    )


def _method(scripted: Any, method: MethodDescriptor) -> Any:
    asked, answered = ("stream" if many else "unary" for many in (method.client_streaming, method.server_streaming))
    return getattr(grpc, f"{asked}_{answered}_rpc_method_handler")(
        getattr(scripted, method.name),
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )


@pytest.fixture
def served() -> Iterator[tuple[Scripted, Client]]:
    """A scripted server and a client of it."""
    server: Any = grpc.server(ThreadPoolExecutor(4))
    scripted: Any = Scripted()
    server.add_generic_rpc_handlers([_handler(scripted, service) for area in AREAS for service in area.services()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(f"127.0.0.1:{port}", api_key="key-of-the-test") as client:
        yield scripted, client
    server.stop(None).wait()
