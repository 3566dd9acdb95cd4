"""How one knows that a process is ready."""

import http.client
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def is_serving(port: int, channel_to: Callable[[str], grpc.Channel] = grpc.insecure_channel) -> bool:
    """Says whether a gRPC service on loopback calls itself SERVING."""
    with channel_to(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def is_live(admin_port: int) -> bool:
    """Says whether Envoy calls itself live."""
    return _status("GET", admin_port, "/ready") == 200


def upstreams_are_healthy(admin_port: int) -> bool:
    """Says whether Envoy finds every service that it needs healthy; its own port may ask for certificates first."""
    status, body = _ask("GET", admin_port, r"/stats?filter=^cluster\..*\.membership_healthy$")
    counts = [line.rpartition(b": ")[2] for line in body.splitlines()]
    return status == 200 and bool(counts) and b"0" not in counts


def answers(port: int) -> bool:
    """Says whether the gateway's health check passes: every upstream it needs is healthy."""
    return _status("GET", port, "/healthz") == 200


def drain(admin_port: int, seconds: float = 2.0) -> None:
    """Asks Envoy to take no new work and waits until it has finished what it has, at most these seconds."""
    _status("POST", admin_port, "/healthcheck/fail")
    _status("POST", admin_port, "/drain_listeners?graceful")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _at_work(admin_port):
        time.sleep(0.05)


def _at_work(admin_port: int) -> bool:
    _, body = _ask("GET", admin_port, "/stats?filter=^http.ingress.downstream_rq_active$")
    return bool(body) and not body.strip().endswith(b": 0")


def _status(method: str, port: int, path: str) -> int:
    return _ask(method, port, path)[0]


def _ask(method: str, port: int, path: str) -> tuple[int, bytes]:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
    return 0, b""
