"""How one knows that a process is ready."""

import http.client
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def is_serving(port: int) -> bool:
    """Says whether a gRPC service on loopback calls itself SERVING."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def is_live(admin_port: int) -> bool:
    """Says whether Envoy calls itself live."""
    return _status("GET", admin_port, "/ready") == 200


def answers(port: int) -> bool:
    """Says whether the gateway's health check passes: every upstream it needs is healthy."""
    return _status("GET", port, "/healthz") == 200


def drain(admin_port: int) -> None:
    """Asks Envoy to take no new work and to finish what it has."""
    _status("POST", admin_port, "/healthcheck/fail")
    _status("POST", admin_port, "/drain_listeners?graceful")


def _status(method: str, port: int, path: str) -> int:
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()
    return 0
