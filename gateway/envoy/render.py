"""Renders Envoy's configuration from the template and the descriptor set: routes follow from the protos alone."""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

TEMPLATE = Path(__file__).with_name("template.yaml")
MAX_REQUEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class GatewaySettings:
    """What the gateway must know: its ports, where each area's service listens, and where to log."""

    port: int
    admin_port: int
    upstreams: dict[str, int]
    """Area, such as `program`, to port on loopback."""
    authz_port: int
    access_log: Path


def descriptors() -> Path:
    """Returns the descriptor set that belongs to the stubs."""
    return Path(str(resources.files("ashgrove").joinpath("descriptors.binpb")))


def public_services(file: Path) -> list[str]:
    """Returns the services with an HTTP route; others are internal and unreachable through the gateway."""
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return [
        f"{proto.package}.{service.name}"
        for proto in files.file
        for service in proto.service
        if any(method.options.HasExtension(annotations_pb2.http) for method in service.method)
    ]


def render(settings: GatewaySettings) -> str:
    """Returns the whole configuration as YAML."""
    file = descriptors()
    services = public_services(file)
    return Template(TEMPLATE.read_text()).substitute(
        port=settings.port,
        admin_port=settings.admin_port,
        access_log=json.dumps(str(settings.access_log)),
        descriptors=json.dumps(str(file)),
        services=json.dumps(services),
        routes=json.dumps([_route(s) for s in services]),
        clusters=json.dumps(
            [_cluster(a, p, a) for a, p in settings.upstreams.items()] + [_cluster("authz", settings.authz_port, "")]
        ),
        healthy=json.dumps({area: {"value": 1} for area in settings.upstreams}),
        max_bytes=MAX_REQUEST_BYTES,
    )


def _route(service: str) -> dict[str, Any]:
    # `ashgrove.program.v1.ProgramService` belongs to the cluster `program`.
    return {
        "match": {"prefix": f"/{service}/"},
        "route": {
            "cluster": service.split(".")[1],
            "timeout": "0s",
            "idle_timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
            "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        },
    }


def _cluster(name: str, port: int, area: str) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    check = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}, "max_concurrent_streams": 20000}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "circuit_breakers": {
            "thresholds": [{"max_connections": 1024, "max_pending_requests": 20000, "max_requests": 30000}]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": keepalive},
            }
        },
        **({"health_checks": [check]} if area else {}),
    }
