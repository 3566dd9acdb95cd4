"""Where a test receives spans: from memory, or as a collector that takes OTLP over HTTP as others would."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from framework import telemetry
from framework.telemetry import Span


@contextmanager
def recorded(ratio: float = 1.0) -> Iterator[list[Span]]:
    """Has this process keep the spans it would send, for the length of a block."""
    kept: list[Span] = []
    telemetry.through(telemetry.Sends(kept.append, ratio))
    try:
        yield kept
    finally:
        telemetry.through(None)


class Collector:
    """A collector on a port of loopback: what was sent to it, as it came and as messages."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bodies: list[bytes] = []
        self._came = threading.Condition()

    def take(self, body: bytes) -> None:
        """Keeps one request's spans."""
        with self._came:
            self.bodies.append(body)
            self._came.notify_all()

    @property
    def spans(self) -> list[tuple[str, Any]]:
        """Every span that came, each after the name of its service."""
        return [
            (next(a.value.string_value for a in one.resource.attributes if a.key == "service.name"), span)
            for body in list(self.bodies)
            for one in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in one.scope_spans
            for span in scope.spans
        ]

    def wait_for(self, services: set[str], seconds: float = 100.0) -> list[tuple[str, Any]]:
        """Returns the spans once each of these services has sent one; raises TimeoutError when they do not."""
        with self._came:
            if not self._came.wait_for(lambda: services <= {name for name, _ in self.spans}, seconds):
                raise TimeoutError(f"spans came from {sorted({name for name, _ in self.spans})} only")
        return self.spans


@contextmanager
def collecting() -> Iterator[Collector]:
    """Runs a collector for the length of a block; whatever is posted to `/v1/traces` is kept."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"".join(self._body())
            if self.path == "/v1/traces":
                collector.take(body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def _body(self) -> Iterator[bytes]:
            if self.headers.get("transfer-encoding") != "chunked":  # as Envoy sends
                yield self.rfile.read(int(self.headers.get("content-length") or 0))
                return
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: a test's output is the test's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
